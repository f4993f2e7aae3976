//go:build parts

// Package parts names what is built of this module, so that `go mod tidy` keeps what it needs pinned.
package parts

import _ "go.etcd.io/etcd/server/v3"
