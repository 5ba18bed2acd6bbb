package inference

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// MaxParameters bounds the parameters of a request, and of each of its tensors.
const MaxParameters = 256

// maxPriority is the largest number that orders a request behind others.
const maxPriority = math.MaxInt32

// Settle gives a call what the parameters of its request say: priority and timeout.
// Those of sequences are refused, for no model here remembers requests; those that
// nobody knows are for the model, and none asks for them. Values are of the types
// bool, int64, uint64, float64 and string.
func Settle(c *repository.Call, parameters map[string]any) error {
	if len(parameters) > MaxParameters {
		return refuse("the request has more than %d parameters", MaxParameters)
	}
	for key, value := range parameters {
		switch key {
		case "priority":
			n, ok := Integer(value)
			if !ok || n > maxPriority {
				return refuse("the parameter priority is %v: it is an integer, from 1 (first) on", value)
			}
			c.Priority = int(n)
		case "timeout":
			n, ok := Integer(value)
			if !ok || n > uint64(math.MaxInt64/time.Microsecond) {
				return refuse("the parameter timeout is %v: it is an integer, of microseconds", value)
			}
			c.Timeout = time.Duration(n) * time.Microsecond
		case "sequence_id":
			if n, ok := Integer(value); (!ok || n != 0) && value != "" {
				return refuse("the parameter sequence_id: no model here keeps a sequence of requests; leave it out")
			}
		case "sequence_start", "sequence_end":
			if value == true {
				return refuse("the parameter %s: no model here keeps a sequence of requests; leave it out", key)
			}
		case "binary_data_output", "triton_enable_empty_final_response", "triton_final_response":
			// of the transport
		default:
			if strings.HasPrefix(key, "triton_") {
				return refuse("the parameter %q: names that begin with triton_ are Triton's, and this is none of them", key)
			}
		}
	}
	return nil
}

// Integer is a parameter that is no negative number, of whatever type it came as.
func Integer(value any) (n uint64, ok bool) {
	switch v := value.(type) {
	case int64:
		return uint64(v), v >= 0
	case uint64:
		return v, true
	case float64:
		return uint64(v), v >= 0 && v < 1<<53 && v == math.Trunc(v)
	}
	return 0, false
}

// A Want is one output that a request asks for.
type Want struct {
	Name string
	// Classes asks for that many classes of it instead of its elements; 0 does not.
	Classes int
}

// WantOf reads the parameters of an output that is asked for.
func WantOf(name string, parameters map[string]any) (Want, error) {
	w := Want{Name: name}
	if len(parameters) > MaxParameters {
		return w, refuse("output %.80q has more than %d parameters", name, MaxParameters)
	}
	if value, ok := parameters["classification"]; ok {
		n, ok := Integer(value)
		if !ok || n == 0 || n > math.MaxInt32 {
			return w, &model.InputError{Tensor: name, Reason: "the parameter classification is how many classes are wanted, at least 1"}
		}
		w.Classes = int(n)
	}
	return w, Shared(name, parameters)
}

// Shared refuses a tensor that is said to be in shared memory.
func Shared(name string, parameters map[string]any) error {
	if _, ok := parameters["shared_memory_region"]; ok {
		return &model.InputError{Tensor: name, Reason: NoSharedMemory}
	}
	return nil
}

// Names are the outputs of wants, for a model.Request.
func Names(wants []Want) []string {
	if len(wants) == 0 {
		return nil
	}
	names := make([]string, len(wants))
	for i := range wants {
		names[i] = wants[i].Name
	}
	return names
}

func refuse(format string, args ...any) error {
	return &model.InputError{Reason: fmt.Sprintf(format, args...)}
}
