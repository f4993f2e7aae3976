//! The server that Envoys ask for their resources.
