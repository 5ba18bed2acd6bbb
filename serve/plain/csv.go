package plain

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/route"
)

// Bounds of tables that are read here, each cell of which takes room of its own.
const (
	MaxCells    = 4 << 20
	maxRequests = 10_000
)

// CheckCells tells of a document of more cells, or elements of lists, than are read.
// marks are what stands between them.
func CheckCells(document []byte, marks string) error {
	n := 0
	for i := range len(marks) {
		n += bytes.Count(document, []byte(marks[i:i+1]))
	}
	if n > MaxCells {
		return &route.RequestError{
			Status:  http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("the table has more than %d cells: send it in parts, or as tensors", MaxCells),
		}
	}
	return nil
}

// betweenCells is what stands between those of CSV.
const betweenCells = ",;\t\n"

// CSV makes requests of CSV, as model.Signature.ParseCSV does, within the bounds of
// what a client may send. many says that they are more than one, or none.
func CSV(s *model.Signature, content []byte) (requests []*model.Request, many bool, err error) {
	if err := CheckCells(content, betweenCells); err != nil {
		return nil, false, err
	}
	requests, err = s.ParseCSV(content)
	if err == nil && len(requests) > maxRequests {
		err = &route.RequestError{
			Status:  http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("the rows are %d requests, more than %d: send them in parts", len(requests), maxRequests),
		}
	}
	return requests, len(requests) != 1, err
}

// FieldCSV makes a tensor of CSV, as model.Field.ParseCSV does, within these bounds.
func FieldCSV(f *model.Field, content []byte) (model.Tensor, error) {
	if err := CheckCells(content, betweenCells); err != nil {
		return model.Tensor{}, err
	}
	return f.ParseCSV(content)
}
