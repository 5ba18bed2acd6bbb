package spec

import "maps"

// The attributes of the Compose specification, and what they may be. Where a table and
// the specification's schema differ, the tables are wrong: test/compose compares them.

var (
	aText    = &shape{kinds: text}
	aNumber  = &shape{kinds: number | text}
	aWhole   = &shape{kinds: integer | text}
	aBoolean = &shape{kinds: boolean | text}
	aList    = &shape{kinds: list, item: aText}
	aSet     = &shape{kinds: list, item: aText, unique: true}
)

// file is the shape of a compose file.
func file() *shape {
	service := service()
	return object(keys{
		"version": aText, "name": aText, "include": listOf(include()),
		"services": named(service), "jobs": named(job()), "models": named(model()),
		"networks": named(network()), "volumes": named(volume()), "secrets": named(secret()), "configs": named(config()),
	})
}

func include() *shape {
	return object(keys{"path": textOrSet(), "env_file": textOrSet(), "project_directory": aText}, noExtensions).or(text)
}

func textOrSet() *shape { return aSet.or(text) }

// pairs are variables, labels and the like: a mapping, or a list of NAME=VALUE.
func pairs() *shape {
	return aSet.with(dictionary(of(text | number | boolean | null)))
}

func hosts() *shape   { return aSet.with(dictionary(aList.or(text))) }
func options() *shape { return dictionary(of(text | number)).loose() }
func command() *shape { return aList.or(text | null) }

// uses are the configs or secrets of a service.
func uses() *shape {
	return listOf(object(keys{"source": aText, "target": aText, "uid": aText, "gid": aText, "mode": aNumber}).or(text))
}

func ulimits() *shape {
	s := dictionary(object(keys{"hard": aWhole, "soft": aWhole}, "soft", "hard").or(integer | text)).loose()
	s.named = isLimit
	return s
}

// devices are those of a reservation, or of gpus.
func device(need ...string) *shape {
	return object(keys{"capabilities": aSet, "count": aWhole, "device_ids": aSet, "driver": aText, "options": pairs()}, need...)
}

func blockDevice(key string) *shape {
	return listOf(object(keys{"path": aText, key: aWhole}, noExtensions))
}

// container is what a service, a job and a container before a service have.
func container() keys {
	return keys{
		"annotations": pairs(),
		"blkio_config": object(keys{
			"device_read_bps": blockDevice("rate"), "device_read_iops": blockDevice("rate"),
			"device_write_bps": blockDevice("rate"), "device_write_iops": blockDevice("rate"),
			"weight": aWhole, "weight_device": blockDevice("weight"),
		}, noExtensions),
		"cap_add": aSet, "cap_drop": aSet, "cgroup": word("host", "private"), "cgroup_parent": aText, "command": command(), "configs": uses(),
		"cpu_count": between(integer|text, 0, 1<<53), "cpu_percent": between(integer|text, 0, 100), "cpu_shares": aNumber, "cpu_quota": aNumber,
		"cpu_period": aNumber, "cpu_rt_period": aNumber, "cpu_rt_runtime": aNumber, "cpus": aNumber, "cpuset": aText,
		"credential_spec":     object(keys{"config": aText, "file": aText, "registry": aText}),
		"device_cgroup_rules": aSet,
		"devices":             listOf(object(keys{"source": aText, "target": aText, "permissions": aText}, "source").or(text)),
		"dns":                 textOrSet(), "dns_opt": aSet, "dns_search": textOrSet(), "domainname": aText, "entrypoint": command(),
		"env_file":   listOf(object(keys{"path": aText, "format": aText, "required": aBoolean}, "path", noExtensions).or(text)).or(text),
		"label_file": aList.or(text), "environment": pairs(), "extra_hosts": hosts(),
		"gpus":      &shape{kinds: text | list, words: []string{"all"}, item: device().loose()},
		"group_add": setOf(of(text | number)), "hostname": aText, "image": aText, "init": aBoolean, "ipc": aText, "isolation": aText, "labels": pairs(),
		"logging":     object(keys{"driver": aText, "options": dictionary(of(text | number | null)).loose()}),
		"mac_address": aText, "mem_limit": aNumber, "mem_reservation": aWhole, "mem_swappiness": aWhole, "memswap_limit": aNumber, "network_mode": aText,
		"models":           aSet.with(named(object(keys{"endpoint_var": aText, "model_var": aText}).or(null)).loose()),
		"networks":         aSet.with(named(membership())),
		"oom_kill_disable": aBoolean, "oom_score_adj": between(integer|text, -1000, 1000), "pid": of(text | null), "pids_limit": aNumber,
		"platform": aText, "privileged": aBoolean, "pull_policy": pullPolicy(), "pull_refresh_after": aText, "read_only": aBoolean, "runtime": aText,
		"security_opt": aSet, "shm_size": aNumber, "secrets": uses(), "sysctls": pairs(), "stop_grace_period": aText, "stop_signal": aText,
		"storage_opt": of(mapping).loose(), "tmpfs": textOrSet(), "ulimits": ulimits(), "umask": between(integer|text|null, 0, 1<<32-1),
		"use_api_socket": of(boolean), "user": aText, "uts": aText, "userns_mode": aText, "volumes": setOf(mount().or(text)), "volumes_from": aSet, "working_dir": aText,
	}
}

func pullPolicy() *shape {
	return &shape{kinds: text, format: isPullPolicy, says: "a policy: always, missing, never, build, daily, weekly or every_PERIOD"}
}

// membership is what a service has in a network.
func membership() *shape {
	return object(keys{
		"aliases": aSet, "interface_name": aText, "ipv4_address": aText, "ipv6_address": aText, "link_local_ips": aSet, "mac_address": aText,
		"driver_opts": options(), "priority": of(number), "gw_priority": of(number), "use_service_name_alias": aBoolean,
	}).or(null)
}

func mount() *shape {
	return object(keys{
		"type": word("bind", "volume", "tmpfs", "cluster", "npipe", "image"), "source": aText, "target": aText, "read_only": aBoolean, "consistency": aText,
		"bind": object(keys{
			"propagation": aText, "create_host_path": aBoolean, "recursive": word("enabled", "disabled", "writable", "readonly"), "selinux": word("z", "Z"),
		}),
		"volume": object(keys{"labels": pairs(), "nocopy": aBoolean, "subpath": aText}),
		"tmpfs":  object(keys{"size": between(integer|text, 0, 1<<63), "mode": aNumber}),
		"image":  object(keys{"subpath": aText}),
	}, "type")
}

// workload is what services and jobs have beside.
func workload() keys {
	return keys{
		"build": build(),
		"depends_on": aSet.with(named(object(keys{
			"restart": aBoolean, "required": of(boolean), "condition": word("service_started", "service_healthy", "service_completed_successfully"),
		}, "condition"))),
		"healthcheck": object(keys{
			"disable": aBoolean, "interval": aText, "retries": aNumber, "test": aList.or(text), "timeout": aText, "start_period": aText, "start_interval": aText,
		}),
		"ports": setOf(object(keys{
			"name": aText, "mode": aText, "host_ip": aText, "target": aWhole, "published": aWhole, "protocol": aText, "app_protocol": aText,
		}).or(text | number)),
		"expose": setOf(of(text | number)), "stdin_open": aBoolean, "tty": aBoolean,
	}
}

func build() *shape {
	return object(keys{
		"context": aText, "dockerfile": aText, "dockerfile_inline": aText, "entitlements": aList, "args": pairs(), "ssh": pairs(), "labels": pairs(),
		"cache_from": aList, "cache_to": aList, "no_cache": aBoolean, "no_cache_filter": textOrSet(), "additional_contexts": pairs(), "network": aText,
		"provenance": aBoolean, "sbom": aBoolean, "pull": aBoolean, "target": aText, "shm_size": aWhole, "extra_hosts": hosts(), "isolation": aText,
		"privileged": aBoolean, "secrets": uses(), "tags": aList, "ulimits": ulimits(), "platforms": aList,
	}).or(text)
}

// join is the keys of all.
func join(all ...keys) keys {
	out := keys{}
	for _, k := range all {
		maps.Copy(out, k)
	}
	return out
}

func service() *shape {
	scalar := of(text | number | boolean)
	return object(join(container(), workload(), keys{
		"deploy": deploy().or(null), "develop": develop().or(null), "profiles": aSet, "restart": aText, "scale": aWhole, "attach": aBoolean,
		"container_name": {kinds: text, format: isContainerName, says: "a name"},
		"provider":       object(keys{"type": aText, "options": dictionary(listOf(scalar).or(scalar.kinds)).loose()}, "type"),
		"extends":        object(keys{"service": aText, "file": aText}, "service", noExtensions).or(text),
		"links":          aSet, "external_links": aSet,
		"pre_start":  listOf(object(join(container(), keys{"per_replica": aBoolean}))),
		"post_start": listOf(hook()), "pre_stop": listOf(hook()),
	}))
}

func hook() *shape {
	return object(keys{"command": command(), "user": aText, "privileged": aBoolean, "working_dir": aText, "environment": pairs()}, "command")
}

func job() *shape {
	schedule := object(keys{"cron": aText, "timezone": aText, "concurrency": word("forbid", "queue"), "missed_fires": word("one", "skip")}, "cron")
	triggers := object(keys{"manual": aBoolean, "schedule": listOf(schedule.or(text))})
	triggers.some = []string{"manual", "schedule"}
	return object(join(container(), workload(), keys{
		"profiles": aSet, "triggers": triggers,
	}), "triggers")
}

func develop() *shape {
	return object(keys{"watch": listOf(object(keys{
		"ignore": textOrSet(), "include": textOrSet(), "path": aText, "action": word("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
		"target": aText, "exec": hook(), "initial_sync": of(boolean),
	}, "path", "action"))})
}

func deploy() *shape {
	change := object(keys{
		"parallelism": aWhole, "delay": aText, "failure_action": aText, "monitor": aText, "max_failure_ratio": aNumber, "order": word("start-first", "stop-first"),
	})
	generic := listOf(object(keys{"discrete_resource_spec": object(keys{"kind": aText, "value": aNumber})}))
	return object(keys{
		"mode": aText, "endpoint_mode": aText, "replicas": aWhole, "labels": pairs(), "rollback_config": change, "update_config": change,
		"resources": object(keys{
			"limits":       object(keys{"cpus": aNumber, "memory": aText, "pids": aWhole}),
			"reservations": object(keys{"cpus": aNumber, "memory": aText, "generic_resources": generic, "devices": listOf(device("capabilities"))}),
		}),
		"restart_policy": object(keys{"condition": aText, "delay": aText, "max_attempts": aWhole, "window": aText}),
		"placement":      object(keys{"constraints": aList, "preferences": listOf(object(keys{"spread": aText})), "max_replicas_per_node": aWhole}),
	})
}

func external() *shape { return object(keys{"name": aText}).or(boolean | text) }

func network() *shape {
	addresses := dictionary(aText)
	return object(keys{
		"name": aText, "driver": aText, "driver_opts": options(), "external": external(), "internal": aBoolean, "enable_ipv4": aBoolean,
		"enable_ipv6": aBoolean, "attachable": aBoolean, "labels": pairs(),
		"ipam": object(keys{
			"driver": aText, "options": addresses,
			"config": listOf(object(keys{"subnet": aText, "ip_range": aText, "gateway": aText, "aux_addresses": addresses})),
		}),
	}).or(null)
}

func volume() *shape {
	return object(keys{"name": aText, "driver": aText, "driver_opts": options(), "external": external(), "labels": pairs()}).or(null)
}

func secret() *shape {
	return object(keys{
		"name": aText, "environment": aText, "file": aText, "external": external().loose(), "labels": pairs(), "driver": aText, "driver_opts": options(),
		"template_driver": aText,
	})
}

func config() *shape {
	return object(keys{
		"name": aText, "content": aText, "environment": aText, "file": aText, "external": external().loose(), "labels": pairs(), "template_driver": aText,
	})
}

func model() *shape {
	return object(keys{"name": aText, "model": aText, "context_size": of(integer), "runtime_flags": aList}, "model")
}
