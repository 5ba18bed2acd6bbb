package graph

// What tests build models of.

func msg(parts ...func(*Blob)) *Blob {
	b := &Blob{}
	for _, p := range parts {
		p(b)
	}
	return b
}

func str(num int32, s string) func(*Blob) { return func(b *Blob) { b.text(pn(num), s) } }
func num(n int32, v int64) func(*Blob)    { return func(b *Blob) { b.number(pn(n), v) } }
func sub(num int32, parts ...func(*Blob)) func(*Blob) {
	return func(b *Blob) { b.message(pn(num), msg(parts...)) }
}

func tensorValue(field int32, name string, elem ElementType, dims ...int64) func(*Blob) {
	shape := &Blob{}
	for _, d := range dims {
		if d < 0 {
			shape.message(1, msg(str(2, "n")))
		} else {
			shape.message(1, msg(num(1, d)))
		}
	}
	return sub(field, str(1, name), sub(2, sub(1, num(1, int64(elem)), func(b *Blob) { b.message(2, shape) })))
}

func input(name string, e ElementType, dims ...int64) func(*Blob) {
	return tensorValue(11, name, e, dims...)
}
func output(name string, e ElementType, dims ...int64) func(*Blob) {
	return tensorValue(12, name, e, dims...)
}

func node(domain, op, in, out string, attrs ...func(*Blob)) func(*Blob) {
	parts := []func(*Blob){str(1, in), str(2, out), str(3, "the "+op), str(4, op)}
	if domain != "" {
		parts = append(parts, str(7, domain))
	}
	return sub(1, append(parts, attrs...)...)
}

func ints(name string, vs ...int64) func(*Blob) {
	parts := []func(*Blob){str(1, name), num(20, 7)}
	for _, v := range vs {
		parts = append(parts, num(8, v))
	}
	return sub(5, parts...)
}

func integer(name string, v int64) func(*Blob) { return sub(5, str(1, name), num(20, 2), num(3, v)) }
func word(name, v string) func(*Blob)          { return sub(5, str(1, name), num(20, 3), str(4, v)) }

func set(domain string, v int64) func(*Blob) { return sub(8, str(1, domain), num(2, v)) }

// file is a whole model.
func file(ir int64, sets []func(*Blob), graph ...func(*Blob)) []byte {
	parts := append([]func(*Blob){num(1, ir), str(2, "tests")}, sets...)
	return msg(append(parts, sub(7, append(graph, str(2, "g"))...))...).Bytes()
}

func opset(v int64) []func(*Blob) { return []func(*Blob){set("", v)} }
