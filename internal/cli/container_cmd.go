package cli

import "github.com/spf13/cobra"

// containerCommands are the verbs of a container's life.
func (a *app) containerCommands() []*cobra.Command {
	return append(a.containerVerbs(), a.volumeCommand(), a.networkCommand(), a.containerCommand())
}

// containerVerbs are those that stand alone and below container, as with Docker.
func (a *app) containerVerbs() []*cobra.Command {
	return []*cobra.Command{
		a.createCommand(), a.startCommand(), a.stopCommand(), a.restartCommand(), a.killCommand(), a.pauseCommand(), a.unpauseCommand(),
		a.waitCommand(), a.rmCommand(), a.renameCommand(), a.attachCommand(), a.execCommand(), a.logsCommand(), a.psCommand(), a.topCommand(),
		a.statsCommand(), a.portCommand(), a.eventsCommand(), a.updateCommand(), a.cpCommand(), a.diffCommand(), a.exportCommand(),
	}
}

// containerCommand groups the verbs under Docker's other way of writing them.
func (a *app) containerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "container", Short: "The verbs of containers, one by one"}
	for _, c := range a.containerVerbs() {
		switch c.Name() {
		case "events":
			continue
		case "ps":
			c.Use, c.Aliases = "ls [OPTIONS]", []string{"list", "ps"}
		}
		cmd.AddCommand(c)
	}
	run := a.runCommand()
	inspect := a.inspectCommand()
	cmd.AddCommand(run, inspect, a.containerPruneCommand())
	return cmd
}
