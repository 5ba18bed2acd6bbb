package hostmath

// depthwise is a convolution of one picture by one filter.
func (s *Set) depthwise(env Env, v *convolution, in, filter, bias, out area) (bool, error) {
	return false, nil
}
