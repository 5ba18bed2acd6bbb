package python

import (
	"net/url"
	"os"
	"strings"
)

// fromHost are the variables of this process that the host's Python gets:
// where it finds itself, and how its user reaches the indexes. All others stay
// away, the stage's without exception: a recipe must not say which code runs
// on the host, which of its files are read, or where something is written.
var fromHost = set(
	// The system and the user.
	"PATH", "PATHEXT", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TMPDIR", "TMP", "TEMP",
	"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH",
	"APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE",
	"XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
	"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYENV_ROOT", "PYENV_VERSION", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR",
	// The way to the network.
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC",
	// The user's indexes and credentials.
	"PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST",
	"PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_KEYRING_PROVIDER",
	"PIP_CACHE_DIR", "PIP_NO_CACHE_DIR",
	"UV_CONFIG_FILE", "UV_INDEX", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST",
	"UV_INDEX_STRATEGY", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_OFFLINE", "UV_HTTP_TIMEOUT", "UV_CACHE_DIR", "UV_PYTHON",
	"UV_PYTHON_DOWNLOADS", "UV_PYTHON_PREFERENCE", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR",
)

// isFromHost reports whether the host's Python gets a variable.
func isFromHost(name string) bool {
	upper := strings.ToUpper(name)
	// UV_INDEX_name_USERNAME and UV_INDEX_name_PASSWORD are credentials.
	named := strings.HasPrefix(upper, "UV_INDEX_") && (strings.HasSuffix(upper, "_USERNAME") || strings.HasSuffix(upper, "_PASSWORD"))
	return fromHost[upper] || named
}

// hostEnv is the environment of the host's Python: what it may have of this
// process's, and our own settings, which name the files of secrets.
func hostEnv(own ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); isFromHost(name) {
			env = append(env, kv)
		}
	}
	env = append(env, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "NO_COLOR=1")
	return append(env, own...)
}

// stageOptions are the settings of pip among the stage's variables that mean
// something here, as the options that they stand for: they are checked as those
// are, and never become variables of a program of the host.
func stageOptions(env []string) []string {
	values := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		values[name] = value
	}
	var args []string
	for _, s := range []struct{ name, option string }{
		{"PIP_INDEX_URL", "--index-url"}, {"PIP_EXTRA_INDEX_URL", "--extra-index-url"},
		{"PIP_FIND_LINKS", "--find-links"}, {"PIP_TRUSTED_HOST", "--trusted-host"},
	} {
		for _, value := range strings.Fields(values[s.name]) {
			args = append(args, s.option+"="+value)
		}
	}
	switch strings.ToLower(values["PIP_NO_INDEX"]) {
	case "1", "true", "yes", "on", "y", "t":
		args = append(args, "--no-index")
	}
	return args
}

// onTheNet reports whether all addresses in a value are of the web: those of
// files would be this machine's.
func onTheNet(value string) bool {
	for _, address := range strings.Fields(value) {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return false
		}
	}
	return value != ""
}
