package inference

import (
	"context"
	"net/http"

	"github.com/wherry-run/wherry/serve/route"
)

// errLocked is what clients get who would change a server that anybody reaches.
var errLocked = &route.RequestError{Status: http.StatusForbidden,
	Message: "clients may not load or unload models here, nor change the log: who runs the server allows it with --allow-control, or with API keys"}

// Locked has the models of r, which clients may ask, but neither load nor unload.
func Locked(r Repository) Repository { return locked{r} }

type locked struct{ Repository }

func (locked) Load(context.Context, string) error { return errLocked }

func (locked) Unload(context.Context, string) error { return errLocked }
