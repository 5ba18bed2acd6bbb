package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
)

// The extensions of a compose file that are ours.
const (
	// KeyExternal of a service says that it lives elsewhere: "HOST:PORT" or a URL.
	KeyExternal = "x-wherry-external"
	// KeyAllow of a service lists what it may connect to outside of the stack, as
	// --allow-net does.
	KeyAllow = "x-wherry-allow-net"
	// KeyInstances of a service says how many requests a server of ours answers at
	// once, as --instances does.
	KeyInstances = "x-wherry-instances"

	keyOurs = "x-wherry-"
)

// supported are the attributes that are understood, with those whose meaning is always
// so. What is not here is a Problem.
func supported() []tree.Path {
	var list []tree.Path
	add := func(prefix string, words ...string) {
		for _, word := range words {
			name, whole := strings.CutSuffix(word, ".**") // with what is in it, whatever its keys
			list = append(list, tree.Path(prefix+name))
			if whole {
				list = append(list, tree.Path(prefix+name+".*"), tree.Path(prefix+name+".*.*"))
			}
		}
	}
	add("", "version", "name", "include.**", "services", "networks", "volumes", "secrets", "configs", "models")
	add("services.*.", "annotations.**", "attach", "build", "cap_drop", "command", "configs", "container_name", "cpus", "depends_on", "deploy", "develop",
		"dns", "entrypoint", "env_file", "environment.**", "expose", "extends", "external_links", "extra_hosts.**", "healthcheck", "hostname", "image", "init",
		"labels.**", "label_file", "links", "logging", "mem_limit", "mem_reservation", "memswap_limit", "models", "network_mode", "networks", "pids_limit",
		"platform", "ports", "post_start", "pre_stop", "profiles", "pull_policy", "read_only", "restart", "scale", "secrets", "security_opt", "shm_size",
		"stdin_open", "stop_grace_period", "stop_signal", "tmpfs", "tty", "ulimits.**", "user", "volumes", "working_dir")
	add("services.*.build.", "context", "dockerfile", "dockerfile_inline", "args.**", "labels.**", "no_cache", "pull", "target", "secrets", "tags", "cache_from", "cache_to", "platforms")
	add("services.*.build.secrets.[].", "source", "target", "uid", "gid", "mode")
	add("services.*.depends_on.*.", "condition", "required", "restart")
	add("services.*.deploy.", "mode", "replicas", "labels.**", "resources", "restart_policy")
	add("services.*.deploy.resources.", "limits", "reservations")
	add("services.*.deploy.resources.limits.", "cpus", "memory", "pids")
	add("services.*.deploy.resources.reservations.", "cpus", "memory")
	add("services.*.deploy.restart_policy.", "condition", "max_attempts")
	add("services.*.develop.watch.[].", "path", "action", "target", "ignore", "include", "initial_sync", "exec.**")
	add("services.*.env_file.[].", "path", "required", "format")
	add("services.*.healthcheck.", "disable", "interval", "retries", "test", "timeout", "start_period", "start_interval")
	add("services.*.logging.", "driver", "options.**")
	add("services.*.models.*.", "endpoint_var", "model_var")
	add("services.*.networks.*.", "aliases", "priority", "use_service_name_alias")
	add("services.*.ports.[].", "name", "mode", "host_ip", "target", "published", "protocol", "app_protocol")
	for _, kind := range []string{"secrets", "configs"} {
		add("services.*."+kind+".[].", "source", "target", "uid", "gid", "mode")
	}
	add("services.*.volumes.[].", "type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs")
	add("services.*.volumes.[].bind.", "create_host_path", "selinux", "propagation")
	add("services.*.volumes.[].volume.", "nocopy", "labels.**")
	add("services.*.volumes.[].tmpfs.", "size", "mode")
	for _, hook := range []string{"post_start", "pre_stop"} {
		add("services.*."+hook+".[].", "command", "user", "working_dir", "environment.**")
	}
	add("networks.*.", "name", "driver", "external", "internal", "attachable", "labels.**", "ipam")
	add("networks.*.ipam.", "driver", "config")
	add("networks.*.ipam.config.[].", "subnet")
	add("volumes.*.", "name", "driver", "external", "labels.**")
	add("secrets.*.", "name", "file", "environment", "content", "labels.**")
	add("configs.*.", "name", "file", "environment", "content", "labels.**")
	add("models.*.", "name", "model", "context_size")
	return list
}

// A Problem is something in a compose file that cannot work here.
type Problem struct {
	// Path is where it stands, as services.web.privileged, Text why it cannot be,
	// Advice what to write instead, if anything.
	Path, Text, Advice string
}

func (p Problem) String() string { return p.Path + ": " + p.Text }

// reason says why attributes cannot be, and what to write instead.
type reason struct{ why, instead string }

// refused are the attributes that Docker Compose knows and that mean nothing here, by
// their path below services.NAME or what it is of.
var refused = map[string]reason{
	"blkio_config":        {"a sandbox has no block devices", "leave it out; --ulimit fsize bounds what is written (ulimits: {fsize: BYTES})"},
	"cap_add":             {"nothing of a kernel is behind a sandbox, so it has no capabilities", "leave it out: what needs it cannot run here"},
	"cgroup":              {limitsReason, limitsInstead},
	"cgroup_parent":       {limitsReason, limitsInstead},
	"cpu_count":           {cpusReason, cpusInstead},
	"cpu_percent":         {cpusReason, cpusInstead},
	"cpu_period":          {cpusReason, cpusInstead},
	"cpu_quota":           {cpusReason, cpusInstead},
	"cpu_rt_period":       {cpusReason, cpusInstead},
	"cpu_rt_runtime":      {cpusReason, cpusInstead},
	"cpu_shares":          {cpusReason, cpusInstead},
	"cpuset":              {"a sandbox is not bound to processors", cpusInstead},
	"credential_spec":     {"there are no accounts of Windows in a sandbox", "leave it out, or pass what it is for as a secret"},
	"device_cgroup_rules": {devicesReason, "leave it out"},
	"devices":             {devicesReason, "leave it out, or let the service live elsewhere: " + KeyExternal + ": HOST:PORT"},
	"dns_opt":             {"names are looked up by the host", "leave it out"},
	"dns_search":          {"no domain is put behind a name", "write whole names"},
	"domainname":          {"a container has no domain", "hostname: NAME.DOMAIN"},
	"gpus":                {devicesReason, "leave it out: models run on the processor"},
	"group_add":           {"there is one user in a sandbox", "leave it out"},
	"ipc":                 {"programs share no memory", "leave it out; share files by a volume"},
	"isolation":           {"there is one kind of sandbox", "leave it out"},
	"mac_address":         {noLinks, "leave it out"},
	"mem_swappiness":      {"memory of a sandbox is the host's to swap", "leave it out"},
	"oom_kill_disable":    {"a program that asks for more memory than it may have is told so, not killed", "leave it out"},
	"oom_score_adj":       {"a program that asks for more memory than it may have is told so, not killed", "leave it out"},
	"pid":                 {"a container sees no processes but its own", "leave it out"},
	"privileged":          {"nothing of a kernel is behind a sandbox", "leave it out: what needs it cannot run here"},
	"provider":            {"providers are programs of this machine for Docker's own compose", "start it outside, and let the service live there: " + KeyExternal + ": HOST:PORT"},
	"pre_start":           {"containers that run before a service starts are not there yet", "a service of its own, and depends_on with condition: service_completed_successfully"},
	"pull_refresh_after":  {"images are pulled when they are missing, or always", "pull_policy: always"},
	"runtime":             {"there is one runtime", "leave it out"},
	"storage_opt":         {"a container's files have one kind of storage", "ulimits: {fsize: BYTES} bounds what is written"},
	"sysctls":             {"nothing of a kernel is behind a sandbox", "leave it out"},
	"umask":               {"there is one user in a sandbox", "leave it out"},
	"use_api_socket":      {"there is no daemon, and no socket of one", "leave it out"},
	"userns_mode":         {"there is one user in a sandbox", "leave it out"},
	"uts":                 {"a container has its own name always", "leave it out"},
	"volumes_from":        {"containers share folders by volumes", "name the volumes under volumes:"},

	"build.additional_contexts": {"a build has one folder", "COPY --from=IMAGE in the Wasmfile"},
	"build.entitlements":        {"a build runs in a sandbox", "leave it out"},
	"build.extra_hosts":         {buildNet, "leave it out"},
	"build.isolation":           {"there is one kind of sandbox", "leave it out"},
	"build.network":             {buildNet, "leave it out; ADD and pip install fetch what is named, outside of it"},
	"build.no_cache_filter":     {"a cache is used or not", "no_cache: true"},
	"build.privileged":          {"a build runs in a sandbox", "leave it out"},
	"build.provenance":          {"images carry their digests, no attestations of this kind", "leave it out"},
	"build.sbom":                {"images carry their digests, no attestations of this kind", "leave it out"},
	"build.shm_size":            {"programs share no memory", "leave it out"},
	"build.ssh":                 {buildNet, "clone outside, and COPY"},
	"build.ulimits":             {"a build has the limits of every run", "leave it out"},

	"deploy.endpoint_mode":                      {"connections go to one container of a service, by chance", "leave it out"},
	"deploy.placement":                          {"there is one machine", "leave it out"},
	"deploy.resources.limits.devices":           {devicesReason, "leave it out: models run on the processor"},
	"deploy.resources.reservations.devices":     {devicesReason, "leave it out: models run on the processor"},
	"deploy.resources.reservations.pids":        {"nothing is reserved", "deploy.resources.limits.pids"},
	"deploy.restart_policy.delay":               {"a program is started again after 100 ms, and twice as long each time", "leave it out"},
	"deploy.restart_policy.window":              {"a program is started again after 100 ms, and twice as long each time", "leave it out"},
	"deploy.rollback_config":                    {updates, "leave it out"},
	"deploy.update_config":                      {updates, "leave it out"},
	"networks.driver_opts":                      {noLinks, "leave it out"},
	"networks.gw_priority":                      {noLinks, "leave it out"},
	"networks.interface_name":                   {noLinks, "leave it out"},
	"networks.ipv4_address":                     {"addresses are given by the network", "reach it by its name, or by another: aliases: [NAME]"},
	"networks.ipv6_address":                     {"addresses are of IPv4, and given by the network", "reach it by its name, or by another: aliases: [NAME]"},
	"networks.link_local_ips":                   {noLinks, "leave it out"},
	"networks.mac_address":                      {noLinks, "leave it out"},
	"volumes.bind.recursive":                    {"a mount is of one folder and what is in it", "leave it out"},
	"volumes.image":                             {"an image is no volume", "COPY --from=IMAGE in the Wasmfile"},
	"volumes.volume.subpath":                    {"a volume is mounted whole", "a volume of its own"},
	"deploy.resources.limits.generic_resources": {devicesReason, "leave it out"},
}

// refusedElsewhere are the same outside of services, with the section before.
var refusedElsewhere = map[string]reason{
	"jobs":                               {"jobs are not there yet", "a service with profiles: [jobs], and compose run"},
	"networks.driver_opts":               {noLinks, "leave it out"},
	"networks.enable_ipv4":               {"addresses are of IPv4", "leave it out"},
	"networks.enable_ipv6":               {"addresses are of IPv4", "leave it out"},
	"networks.ipam.config.gateway":       {noLinks, "leave it out"},
	"networks.ipam.config.ip_range":      {"addresses are given by the network", "leave it out"},
	"networks.ipam.options":              {noLinks, "leave it out"},
	"volumes.driver_opts":                {"a volume is a folder of this machine", "to have a certain folder, mount it: - ./FOLDER:/PATH"},
	"secrets.external":                   {externalReason, "file: PATH, or environment: NAME"},
	"secrets.driver":                     {externalReason, "file: PATH, or environment: NAME"},
	"secrets.driver_opts":                {externalReason, "file: PATH, or environment: NAME"},
	"secrets.template_driver":            {externalReason, "file: PATH, or environment: NAME"},
	"configs.external":                   {externalReason, "file: PATH, or content: TEXT"},
	"configs.template_driver":            {externalReason, "file: PATH, or content: TEXT"},
	"models.runtime_flags":               {"a model is a container of an image: it has no engine's flags", "leave it out"},
	"networks.ipam.config.aux_addresses": {"addresses are given by the network", "leave it out"},
}

const (
	limitsReason   = "limits are kept by the sandbox"
	limitsInstead  = "mem_limit, cpus and pids_limit"
	cpusReason     = "time of the processors is bounded by one number"
	cpusInstead    = "cpus: 0.5"
	devicesReason  = "a sandbox has no devices of this machine"
	noLinks        = "networks are in user space: there is no interface, and no gateway"
	buildNet       = "a build's RUN has no network"
	updates        = "a container is replaced by the next one, and never two at a time"
	externalReason = "there is no store of secrets and configs"
)

// problemOf says what is wrong with an attribute; told is false where nothing is.
func problemOf(path tree.Path, value any) (p Problem, told bool) {
	parts := path.Parts()
	p = Problem{Path: strings.ReplaceAll(path.String(), ".[]", "[]")}
	table, at := refusedElsewhere, plain(parts[:1], parts[1:], 1)
	if parts[0] == "services" && len(parts) > 2 {
		table, at = refused, plain(nil, parts[2:], 0)
		if parts[2] == "networks" && len(parts) > 4 {
			at = "networks." + strings.Join(parts[4:], ".")
		}
	}
	if nothing(value) {
		return p, false
	}
	r, ok := table[at]
	if !ok {
		r = reason{why: fmt.Sprintf("%s means nothing here", parts[len(parts)-1]), instead: "leave it out"}
	}
	p.Text, p.Advice = r.why, r.instead
	return p, true
}

// plain is a path as the tables have it: without the names of what is between, of which
// there are skip, and without lists.
func plain(head, rest []string, skip int) string {
	if len(rest) >= skip {
		rest = rest[skip:]
	}
	words := slices.Concat(head, rest)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "[]" }), ".")
}

// nothing tells values that ask for nothing.
func nothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == "" || v == "false"
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
