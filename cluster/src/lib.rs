//! All that speaks to a Kubernetes API server: how it is found and asked, what may be read and written there, what it has, and
//! how a change is written to it. What a mesh means is the work of `mesh`; when something is asked or written, that of the server.
