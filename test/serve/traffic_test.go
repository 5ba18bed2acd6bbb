package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

// kind is a way to ask a server, good or bad, and what has to come of it.
type kind struct {
	name  string
	share int // of all requests, in parts of the sum
	ask   func(ctx context.Context, v *visitor) error
}

// visitor asks a server of iris, cancer, voice, sentences, faulty and followed in all
// the ways that clients have.
type visitor struct {
	url    string
	client *http.Client
	rpc    *grpc.ClientConn
	stub   pb.GRPCInferenceServiceClient

	mu      sync.Mutex
	asked   map[string]int
	refused map[string]int // with 429, 503 or 504: the machine may have other work
	wrong   []string
	failed  int
}

func newVisitor(s *server) (*visitor, error) {
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &visitor{
		url: s.URL, rpc: conn, stub: pb.NewGRPCInferenceServiceClient(conn), asked: map[string]int{}, refused: map[string]int{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}, nil
}

func (v *visitor) close() {
	v.client.CloseIdleConnections()
	_ = v.rpc.Close()
}

// errRefused is a request that was turned away, or not answered in time, because of load.
var errRefused = errors.New("refused")

// visit asks so often in a second, at any time whether it was answered or not, until
// ctx ends; it returns when all is answered.
func (v *visitor) visit(ctx context.Context, perSecond float64) {
	sum := 0
	for _, k := range kinds {
		sum += k.share
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rand.ExpFloat64() / perSecond * float64(time.Second))):
		}
		n := rand.IntN(sum)
		k := kinds[slices.IndexFunc(kinds, func(k kind) bool { n -= k.share; return n < 0 })]
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			v.note(k.name, k.ask(ctx, v))
		})
	}
}

func (v *visitor) note(name string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked[name]++
	switch {
	case errors.Is(err, errRefused):
		v.refused[name]++
	case err != nil:
		if v.failed++; len(v.wrong) < 20 {
			v.wrong = append(v.wrong, fmt.Sprintf("%s %s: %v", time.Now().UTC().Format(time.TimeOnly), name, err))
		}
	}
}

// complaints are what went wrong since it was asked last.
func (v *visitor) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.wrong
	v.wrong = nil
	return list
}

// counts are all requests, those that were refused, and those that went wrong.
func (v *visitor) counts() (asked, refused, failed int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.asked {
		asked += n
	}
	for _, n := range v.refused {
		refused += n
	}
	return asked, refused, v.failed
}

// send makes a request and gives what was answered.
func (v *visitor) send(ctx context.Context, method, path string, body io.Reader, headers ...string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, v.url+path, body)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := v.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if (a.StatusCode == http.StatusTooManyRequests || a.StatusCode == http.StatusServiceUnavailable) && a.Header.Get("Retry-After") == "" {
		err = errors.Join(err, fmt.Errorf("status %d without Retry-After: %.200s", a.StatusCode, text))
	}
	return a.StatusCode, string(text), err
}

// expects is a request that has to be answered with a status, and with words.
func expects(want int, words, method, path, body string, headers ...string) func(context.Context, *visitor) error {
	return func(ctx context.Context, v *visitor) error {
		var content io.Reader
		if body != "" {
			content = strings.NewReader(body)
		}
		return answered(want, words)(v.send(ctx, method, path, content, headers...))
	}
}

func answered(want int, words string) func(got int, text string, err error) error {
	return func(got int, text string, err error) error {
		switch {
		case err != nil:
			return err
		case got == want && strings.Contains(text, words):
			return nil
		case got == http.StatusTooManyRequests || got == http.StatusServiceUnavailable || got == http.StatusGatewayTimeout:
			return errRefused
		}
		return fmt.Errorf("status %d, not %d with %q: %.200s", got, want, words, text)
	}
}

const (
	flower            = `{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}`
	flowers           = "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.2,2.9,4.3,1.3\n6,3,5,1.8\n"
	jsonBody, csvBody = "application/json", "text/csv"
)

// row is one of cancer's.
var row = "[" + strings.TrimSuffix(strings.Repeat("1.5,", 30), ",") + "]"

func faultyBody(what string) string { return fmt.Sprintf(`{"what":%q}`, what) }

// kinds are all ways.
var kinds = []kind{
	{"predict", 200, expects(200, "setosa", "POST", "/m/iris/predict", flower, "Content-Type", jsonBody)},
	{"CSV", 50, expects(200, "virginica", "POST", "/m/iris/predict", flowers, "Content-Type", csvBody)},
	{"gzip", 20, packed},
	{"form", 40, form},
	{"OIP JSON", 100, expects(200, "outputs", "POST", "/v2/models/cancer/infer", `{"inputs":[{"name":"measurements","shape":[1,30],"datatype":"FP32","data":`+row+`}]}`)},
	{"OIP binary", 80, binaryTensor},
	{"OIP Python", 60, expects(200, "setosa", "POST", "/v2/models/iris/infer", `{"inputs":[{"name":"sepal_length","shape":[1],"datatype":"FP64","data":[5.1]},{"name":"sepal_width","shape":[1],"datatype":"FP64","data":[3.5]},{"name":"petal_length","shape":[1],"datatype":"FP64","data":[1.4]},{"name":"petal_width","shape":[1],"datatype":"FP64","data":[0.2]}]}`)},
	{"KServe v1", 20, expects(200, "setosa", "POST", "/v1/models/iris:predict", `{"instances":[`+flower+`]}`)},
	{"gRPC", 100, call},
	{"gRPC stream", 20, callStream},
	{"gRPC that leaves", 10, callAndLeave},
	{"voice", 20, expects(200, "outputs", "POST", "/v2/models/voice/infer", voiceBody())},
	{"OpenAI", 20, expects(200, "embedding", "POST", "/v1/embeddings", `{"model":"sentences","input":["A wherry is a light boat."]}`, "Content-Type", jsonBody)},
	{"TEI", 10, expects(200, "[[", "POST", "/m/sentences/embed", `{"inputs":"A wherry is a light boat."}`, "Content-Type", jsonBody)},
	{"Cog", 20, expects(200, "succeeded", "POST", "/m/iris/predictions", `{"input":`+flower+`}`, "Content-Type", jsonBody)},
	{"Cog later", 10, expects(202, "starting", "POST", "/m/iris/predictions", `{"input":`+flower+`}`, "Content-Type", jsonBody, "Prefer", "respond-async")},
	{"Cog events", 10, expects(200, "completed", "POST", "/m/iris/predictions", `{"input":`+flower+`}`, "Content-Type", jsonBody, "Accept", "text/event-stream")},
	{"MLflow", 20, expects(200, "predictions", "POST", "/m/iris/invocations", `{"dataframe_records":[`+flower+`]}`, "Content-Type", jsonBody)},
	{"events", 10, expects(200, "event: end", "POST", "/m/iris/predict", flower, "Content-Type", jsonBody, "Accept", "text/event-stream")},
	{"followed", 40, expects(200, `"y"`, "POST", "/m/followed/predict", `{"x":[[1,1,1,1]]}`, "Content-Type", jsonBody)},
	{"faulty, well", 40, expects(200, "OK", "POST", "/m/faulty/predict", faultyBody("ok"), "Content-Type", jsonBody)},
	{"raise", 20, expects(422, "model", "POST", "/m/faulty/predict", faultyBody("raise"), "Content-Type", jsonBody)},
	{"loop", 6, expects(504, "timeout", "POST", "/m/faulty/predict", faultyBody("loop"), "Content-Type", jsonBody, "Wherry-Timeout", "100ms")},
	{"loop that is left", 6, leaves("/m/faulty/predict", faultyBody("loop"))},
	{"exit", 6, expects(500, "trap", "POST", "/m/faulty/predict", faultyBody("exit"), "Content-Type", jsonBody)},
	{"deep", 3, expects(422, "model", "POST", "/m/faulty/predict", faultyBody("deep"), "Content-Type", jsonBody)},
	{"bomb", 1, expects(500, "oom", "POST", "/m/faulty/predict", faultyBody("bomb"), "Content-Type", jsonBody)},
	{"left", 20, leaves("/m/iris/predict", flower)},
	{"half a head", 5, half("POST /m/iris/predict HTTP/1.1\r\nHost: loc")},
	{"half a body", 5, half("POST /m/iris/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"sepal")},
	{"nothing", 5, half("")},
	{"noise", 5, half("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is not HTTP\r\n\r\n")},
	{"an answer that is not read", 5, half("POST /m/iris/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 75\r\n\r\n" + flower)},
	{"no model", 10, expects(404, "none", "POST", "/v2/models/none/infer", `{"inputs":[]}`)},
	{"no JSON", 10, expects(400, "error", "POST", "/m/iris/predict", `{"sepal_length":`, "Content-Type", jsonBody)},
	{"too long", 2, expects(413, "bytes", "POST", "/m/iris/predict", strings.Repeat("1", 2<<20), "Content-Type", csvBody)},
	{"metrics", 5, expects(200, "go_goroutines", "GET", "/metrics", "")},
	{"index", 5, expects(200, "faulty", "POST", "/v2/repository/index", `{}`)},
	{"statistics", 5, expects(200, "inference_count", "GET", "/v2/models/stats", "")},
	{"OpenAPI", 2, expects(200, "3.1", "GET", "/openapi.json", "")},
	{"page", 3, expects(200, "<html", "GET", "/", "", "Accept", "text/html")},
	{"load", 1, expects(200, "", "POST", "/v2/repository/models/cancer/load", `{}`)},
}

func voiceBody() string {
	zeros := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("0,", n), ",") + "]" }
	return `{"inputs":[{"name":"sr","shape":[],"datatype":"INT64","data":[16000]},{"name":"input","shape":[1,576],"datatype":"FP32","data":` + zeros(576) +
		`},{"name":"state","shape":[2,1,128],"datatype":"FP32","data":` + zeros(256) + `}]}`
}

func packed(ctx context.Context, v *visitor) error {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, flower)
	_ = z.Close()
	return answered(200, "setosa")(v.send(ctx, "POST", "/m/iris/predict", &b, "Content-Type", jsonBody, "Content-Encoding", "gzip"))
}

func form(ctx context.Context, v *visitor) error {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range map[string]string{"sepal_length": "5.1", "sepal_width": "3.5", "petal_length": "1.4", "petal_width": "0.2"} {
		_ = w.WriteField(name, value)
	}
	_ = w.Close()
	return answered(200, "setosa")(v.send(ctx, "POST", "/m/iris/predict", &b, "Content-Type", w.FormDataContentType()))
}

func measurements() []byte {
	var b []byte
	for range 30 {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(1.5))
	}
	return b
}

func binaryTensor(ctx context.Context, v *visitor) error {
	head := `{"inputs":[{"name":"measurements","shape":[1,30],"datatype":"FP32","parameters":{"binary_data_size":120}}],"parameters":{"binary_data_output":true}}`
	body := append([]byte(head), measurements()...)
	return answered(200, "binary_data_size")(v.send(ctx, "POST", "/v2/models/cancer/infer", bytes.NewReader(body), "Inference-Header-Content-Length", fmt.Sprint(len(head))))
}

func message() *pb.ModelInferRequest {
	return &pb.ModelInferRequest{ModelName: "cancer", RawInputContents: [][]byte{measurements()},
		Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "measurements", Datatype: "FP32", Shape: []int64{1, 30}}}}
}

// rpcError is that of a call which was not to fail.
func rpcError(err error) error {
	if c := status.Code(err); c == codes.ResourceExhausted || c == codes.Unavailable {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

func call(ctx context.Context, v *visitor) error {
	a, err := v.stub.ModelInfer(ctx, message())
	if err != nil {
		return rpcError(err)
	}
	if len(a.RawOutputContents) != 2 {
		return fmt.Errorf("%d outputs", len(a.RawOutputContents))
	}
	return nil
}

func callStream(ctx context.Context, v *visitor) error {
	s, err := v.stub.ModelStreamInfer(ctx)
	if err != nil {
		return rpcError(err)
	}
	for range 3 {
		if err := s.Send(message()); err != nil {
			return rpcError(err)
		}
	}
	_ = s.CloseSend()
	for n := 0; ; n++ {
		a, err := s.Recv()
		if errors.Is(err, io.EOF) && n == 3 {
			return nil
		}
		if err != nil {
			return rpcError(err)
		}
		if a.ErrorMessage != "" {
			return errors.New(a.ErrorMessage)
		}
	}
}

func callAndLeave(ctx context.Context, v *visitor) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(2*time.Millisecond))))
	defer cancel()
	if s, err := v.stub.ModelStreamInfer(ctx); err == nil {
		_ = s.Send(message())
		_, _ = s.Recv()
	}
	return nil
}

// leaves is a client that goes while it is answered, or before.
func leaves(path, body string) func(context.Context, *visitor) error {
	return func(ctx context.Context, v *visitor) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(50*time.Millisecond))))
		defer cancel()
		_, _, _ = v.send(ctx, "POST", path, strings.NewReader(body), "Content-Type", jsonBody)
		return nil
	}
}

// half is a client that says something on a connection of its own, and goes after a
// while without a word.
func half(text string) func(context.Context, *visitor) error {
	return func(ctx context.Context, v *visitor) error {
		u, err := url.Parse(v.url)
		if err != nil {
			return err
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = io.WriteString(c, text)
		time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
		if text == "" || rand.IntN(2) == 0 {
			_ = c.(*net.TCPConn).SetLinger(0) // no farewell at all
		}
		return err
	}
}
