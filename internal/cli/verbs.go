package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

// A verb is a command of the first level. Making all of them, with their flags, is a
// quarter of what a start of the program touches, and most starts type one.
type verb struct {
	name  string
	group string // "": not in the list of help
	make  func() *cobra.Command
}

// verbs are all of them.
func (a *app) verbs() []verb {
	return slices.Concat(a.containerVerbs(), []verb{
		{"run", "run", a.runCommand}, {"serve", "run", a.serveCommand}, {"predict", "run", a.predictCommand}, {"test", "run", a.testCommand},
		{"build", "run", a.buildCommand}, {"init", "run", a.initCommand}, {"convert", "run", a.convertCommand}, {"bench", "run", a.benchCommand},
		{"generate", "run", a.generateCommand},

		{"volume", "container", a.volumeCommand}, {"network", "container", a.networkCommand}, {"container", "container", a.containerCommand},
		{"image", "container", a.imageCommand}, {"dashboard", "container", a.dashboardCommand}, {"compose", "container", a.composeCommand},

		{"images", "image", a.imagesCommand}, {"pull", "image", a.pullCommand}, {"push", "image", a.pushCommand}, {"tag", "image", a.tagCommand},
		{"rmi", "image", a.rmiCommand}, {"history", "image", a.historyCommand}, {"inspect", "image", a.inspectCommand}, {"save", "image", a.saveCommand},
		{"load", "image", a.loadCommand}, {"import", "image", a.importCommand}, {"login", "image", a.loginCommand}, {"logout", "image", a.logoutCommand},
		{"registry", "image", a.registryCommand},

		{"doctor", "system", a.doctorCommand}, {"info", "system", a.infoCommand}, {"system", "system", a.systemCommand}, {"version", "system", a.versionCommand},
		{"warm-up", "", a.warmCommand}, {"supervise", "", a.superviseCommand},
	})
}

// containerVerbs are those that stand alone and below container, as with Docker.
func (a *app) containerVerbs() []verb {
	const g = "container"
	return []verb{
		{"create", g, a.createCommand}, {"start", g, a.startCommand}, {"stop", g, a.stopCommand}, {"restart", g, a.restartCommand}, {"kill", g, a.killCommand},
		{"pause", g, a.pauseCommand}, {"unpause", g, a.unpauseCommand}, {"wait", g, a.waitCommand}, {"rm", g, a.rmCommand}, {"rename", g, a.renameCommand},
		{"attach", g, a.attachCommand}, {"exec", g, a.execCommand}, {"logs", g, a.logsCommand}, {"ps", g, a.psCommand}, {"top", g, a.topCommand},
		{"stats", g, a.statsCommand}, {"port", g, a.portCommand}, {"events", g, a.eventsCommand}, {"update", g, a.updateCommand}, {"cp", g, a.cpCommand},
		{"diff", g, a.diffCommand}, {"export", g, a.exportCommand}, {"commit", g, a.commitCommand},
	}
}

// typed are the verbs that a command line can mean: the one that it begins with, or all
// where it begins with none.
func (a *app) typed(args []string) []verb {
	all := a.verbs()
	if len(args) == 0 {
		return all
	}
	if len(args) == 1 && args[0] == "--version" {
		return nil
	}
	if i := slices.IndexFunc(all, func(v verb) bool { return v.name == args[0] }); i >= 0 {
		return all[i : i+1]
	}
	return all
}

// containerCommand groups the verbs under Docker's other way of writing them.
func (a *app) containerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "container", Short: "The verbs of containers, one by one"}
	for _, v := range a.containerVerbs() {
		if v.name == "events" {
			continue
		}
		c := v.make()
		if v.name == "ps" {
			c.Use, c.Aliases = "ls [OPTIONS]", []string{"list", "ps"}
		}
		cmd.AddCommand(c)
	}
	cmd.AddCommand(a.runCommand(), a.inspectCommand(), a.containerPruneCommand())
	return cmd
}
