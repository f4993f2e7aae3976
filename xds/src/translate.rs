//! Plans as resources of Envoy.
