package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

func TestAutostart(t *testing.T) {
	for kind, want := range map[string]string{
		"systemd": `ExecStart="/opt/a b/wherry" system start`,
		"launchd": "<string>/opt/a b/wherry</string><string>system</string><string>start</string>",
		"task":    `system start`,
	} {
		text, err := autostart(kind, "/opt/a b/wherry", "/srv/50%")
		if err != nil || !strings.Contains(text, want) || !strings.Contains(text, "WHERRY_HOME") {
			t.Errorf("%s: %v\n%s", kind, err, text)
		}
	}
	if text, _ := autostart("systemd", "/w", "/srv/50%"); !strings.Contains(text, "/srv/50%%") {
		t.Errorf("a specifier of systemd is left in\n%s", text)
	}
	for _, bad := range [][2]string{{"cron", "/w"}, {"systemd", "/w\nExecStart=/bin/sh"}} {
		if text, err := autostart(bad[0], bad[1], ""); err == nil {
			t.Errorf("%q: %s", bad, text)
		}
	}
}

func TestParseRestart(t *testing.T) {
	for text, want := range map[string]state.Restart{
		"": {}, "no": {Policy: "no"}, "always": {Policy: "always"}, "on-failure": {Policy: "on-failure"},
		"on-failure:3": {Policy: "on-failure", Retries: 3}, "unless-stopped": {Policy: "unless-stopped"},
	} {
		if got, err := parseRestart(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"sometimes", "always:3", "on-failure:x", "on-failure:-1"} {
		if got, err := parseRestart(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestSecondsFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{"10": 10 * time.Second, "0": 0, "-1": -time.Second, "1m30s": 90 * time.Second} {
		var d time.Duration
		if err := (secondsFlag{&d, nil}).Set(text); err != nil || d != want {
			t.Errorf("%q: %s %v", text, d, err)
		}
	}
	for _, text := range []string{"", "x", "-2", "99999999999999"} {
		if err := (secondsFlag{new(time.Duration), nil}).Set(text); err == nil {
			t.Errorf("%q is a time", text)
		}
	}
}

func TestPortsOf(t *testing.T) {
	for text, want := range map[string]state.Port{
		"8000":                 {HostIP: "127.0.0.1", HostPort: 8000, Container: 8080, Protocol: "tcp"},
		"8000:80":              {HostIP: "127.0.0.1", HostPort: 8000, Container: 80, Protocol: "tcp"},
		"0.0.0.0:8000:80/tcp":  {HostIP: "0.0.0.0", HostPort: 8000, Container: 80, Protocol: "tcp"},
		"[::1]:8000:80":        {HostIP: "::1", HostPort: 8000, Container: 80, Protocol: "tcp"},
		"192.168.0.1:8000:443": {HostIP: "192.168.0.1", HostPort: 8000, Container: 443, Protocol: "tcp"},
	} {
		got, err := portsOf([]string{text})
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %+v %v", text, got, err)
			continue
		}
		if again, err := portsOf([]string{publishedAt(got[0])}); err != nil || again[0] != want {
			t.Errorf("%q: kept as %q, which is %+v, %v", text, publishedAt(got[0]), again, err)
		}
	}
}
