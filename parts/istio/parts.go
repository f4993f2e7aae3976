//go:build parts

// Package parts names what is built of this module, so that `go mod tidy` keeps what it needs pinned.
package parts

import (
	_ "istio.io/istio/pilot/cmd/pilot-agent"
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
