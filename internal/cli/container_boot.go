package cli

import (
	"errors"
	"fmt"
	"html"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// systemStartCommand starts the containers that a restart policy wants after the
// machine, or the user's session, has begun.
func (a *app) systemStartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start", Short: "Start the containers that their restart policies want after a restart of the machine", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.openContainers()
			if err != nil {
				return err
			}
			r, err := s.Recover(cmd.Context(), true)
			for _, name := range r.Started {
				ux.Line(a.Out, name)
			}
			return errors.Join(append(r.Failed, err)...)
		},
	}
}

func (a *app) systemAutostartCommand() *cobra.Command {
	kind := map[string]string{"linux": "systemd", "darwin": "launchd", "windows": "task"}[goruntime.GOOS]
	cmd := &cobra.Command{
		Use: "autostart", Short: "Print what has this machine run wherry system start when you log in", Args: cobra.NoArgs,
		Long: `Print what has this machine run wherry system start when you log in: a unit of
systemd, a property list of launchd, or a task of the Task Scheduler. Its first lines
say where it belongs. Nothing is installed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			text, err := autostart(kind, self, a.env("WHERRY_HOME"))
			if err == nil {
				_, err = fmt.Fprint(a.Out, text)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&kind, "kind", kind, "systemd, launchd or task")
	return cmd
}

// autostart is what a system runs at the beginning of a session. home is the WHERRY_HOME
// that containers are in, if it is not the default.
func autostart(kind, program, home string) (string, error) {
	if strings.ContainsAny(program+home, "\n\r\x00") {
		return "", errors.New("the path of this program, or of WHERRY_HOME, has a line end in it")
	}
	switch kind {
	case "systemd":
		env := ""
		if home != "" {
			env = "Environment=" + unitQuote("WHERRY_HOME="+home) + "\n"
		}
		return `# To install:
#   wherry system autostart > ~/.config/systemd/user/wherry.service
#   systemctl --user enable wherry
#   loginctl enable-linger    (to start with the machine, and not with your session)
[Unit]
Description=Containers of Wherry
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=mixed
` + env + "ExecStart=" + unitQuote(program) + ` system start

[Install]
WantedBy=default.target
`, nil
	case "launchd":
		env := ""
		if home != "" {
			env = "  <key>EnvironmentVariables</key><dict><key>WHERRY_HOME</key><string>" + html.EscapeString(home) + "</string></dict>\n"
		}
		return `<?xml version="1.0" encoding="UTF-8"?>
<!-- To install:
  wherry system autostart > ~/Library/LaunchAgents/run.wherry.plist
  launchctl load ~/Library/LaunchAgents/run.wherry.plist -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>Label</key><string>run.wherry</string>
  <key>ProgramArguments</key><array><string>` + html.EscapeString(program) + `</string><string>system</string><string>start</string></array>
` + env + `  <key>RunAtLoad</key><true/>
  <key>AbandonProcessGroup</key><true/>
</dict></plist>
`, nil
	case "task":
		command := `"` + program + `" system start`
		if home != "" {
			command = `cmd /c set "WHERRY_HOME=` + home + `" && ` + command
		}
		return "rem To install, run this line once:\r\nschtasks /Create /F /SC ONLOGON /TN Wherry /TR " + strconv.Quote(command) + "\r\n", nil
	}
	return "", &ux.UsageError{Text: "--kind " + kind + ": there are systemd, launchd and task"}
}

// unitQuote is a word of a unit of systemd.
func unitQuote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(word) + `"`
}
