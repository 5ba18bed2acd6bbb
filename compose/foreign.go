package compose

import (
	"strings"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/bases"
)

// Images of native programs that many compose files name, by what stands for them here.
var (
	databases = []string{"postgres", "postgis/postgis", "mysql", "mariadb", "mongo", "mongodb/mongodb-community-server", "percona", "mcr.microsoft.com/mssql/server", "mcr.microsoft.com/azure-sql-edge", "neo4j",
		"cassandra", "couchdb", "influxdb", "timescale/timescaledb", "cockroachdb/cockroach", "clickhouse/clickhouse-server", "pgvector/pgvector", "bitnami/postgresql", "bitnami/mysql", "bitnami/mariadb", "bitnami/mongodb", "arangodb", "rethinkdb"}
	brokers = []string{"redis", "valkey/valkey", "memcached", "rabbitmq", "nats", "confluentinc/cp-kafka", "bitnami/kafka", "bitnami/redis", "apache/kafka", "zookeeper", "bitnami/zookeeper", "eclipse-mosquitto",
		"elasticsearch", "docker.elastic.co/elasticsearch/elasticsearch", "docker.elastic.co/kibana/kibana", "docker.elastic.co/logstash/logstash", "elastic/elasticsearch", "logstash", "kibana", "opensearchproject/opensearch", "getmeili/meilisearch", "typesense/typesense", "qdrant/qdrant",
		"minio/minio", "vault", "hashicorp/vault", "consul", "prom/prometheus", "prometheus", "grafana/grafana", "grafana/loki", "jaegertracing/all-in-one", "keycloak/keycloak", "quay.io/keycloak/keycloak", "mailhog/mailhog", "axllent/mailpit", "dpage/pgadmin4", "adminer", "phpmyadmin", "mongo-express", "wordpress", "nextcloud", "ghost", "gitea/gitea", "sonarqube", "jenkins/jenkins", "portainer/portainer-ce", "drupal", "joomla", "linuxserver/", "lscr.io/linuxserver/", "redislabs/", "redis/redis-stack", "redis/redis-stack-server", "redpandadata/redpanda", "docker.redpanda.com/", "pihole/pihole", "plexinc/pms-docker", "minecraft", "itzg/minecraft-server", "heartexlabs/label-studio"}
	sites     = []string{"nginx", "nginxinc/nginx-unprivileged", "httpd", "caddy", "bitnami/nginx"}
	proxies   = []string{"traefik", "haproxy", "envoyproxy/envoy", "jwilder/nginx-proxy", "nginxproxy/nginx-proxy", "nginxproxy/acme-companion", "cloudflare/cloudflared", "visibilityspots/cloudflared"}
	languages = []string{"node", "golang", "rust", "openjdk", "eclipse-temurin", "ruby", "php", "maven", "gradle", "perl", "elixir", "erlang", "mcr.microsoft.com/dotnet/aspnet", "mcr.microsoft.com/dotnet/sdk"}
	systems   = []string{"ubuntu", "debian", "alpine", "busybox", "fedora", "centos", "rockylinux", "amazonlinux", "archlinux", "almalinux"}
)

// foreign says of an image that holds native programs why it cannot run here and what to
// write instead; "" of all that might.
func foreign(image string) (text, advice string) {
	if _, ok := bases.Lookup(image); ok {
		return "", ""
	}
	if advice, ok := bases.Unknown(image); ok && !has(databases, image) {
		return "that is an image of native programs, which a sandbox does not run", strings.ReplaceAll(advice, "write FROM ", "write image: ")
	}
	const native = "that is an image of native programs, which a sandbox does not run"
	const beside = "let it live beside the stack, where it runs already: " + KeyExternal + ": HOST:PORT instead of image"
	switch {
	case has(databases, image):
		return native, beside + "; or keep the data in a file of SQLite on a volume"
	case has(brokers, image):
		return native, beside
	case has(sites, image):
		return native, "build: a folder with a Wasmfile of FROM static and COPY . /srv/http/; paths are passed on to another service by LABEL run.wherry.web.proxy.PATH=http://SERVICE:PORT"
	case has(proxies, image):
		return native, "leave it out: ports publishes a service, and containers reach each other by name; or " + beside
	case has(languages, image):
		return native, "build: a folder with a Wasmfile, whose program is compiled to WebAssembly (FROM toolchain:go, toolchain:rust, toolchain:c, toolchain:node for front ends; or FROM python)"
	case has(systems, image):
		return native, "image: python, whose /bin/sh has the usual small programs; or build one of FROM scratch"
	}
	return "", ""
}

// has tells whether a list has an image's name, whatever its tag, or the folder that it is in.
func has(list []string, image string) bool {
	ref, err := oci.ParseReference(image)
	if err != nil {
		return false
	}
	name := ref.FamiliarName()
	for _, l := range list {
		if name == l || strings.TrimPrefix(name, "library/") == l || strings.HasSuffix(l, "/") && strings.HasPrefix(name, l) {
			return true
		}
	}
	return false
}
