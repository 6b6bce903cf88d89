package sdk

// placedError names the field that a decoding failed at.
type placedError struct {
	what, path string
	cause      error
}

func (e *placedError) Error() string { return e.what + " at `" + e.path + "`: " + e.cause.Error() }
func (e *placedError) Unwrap() error { return e.cause }

func placed(what string, err error) error {
	path := fieldOf(err)
	if path == "" {
		path = "."
	}
	return &placedError{what, path, err}
}
