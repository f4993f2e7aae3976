//! All that speaks to a Kubernetes API server: how it is found and asked, what may be read and written there, what it has, and
//! how a change is written to it. What a mesh means is the work of `mesh`; when something is asked or written, that of the server.
//!
//! `connect` finds a server in a kubeconfig, `discover` and `access` ask what it serves and permits. `error` and `permission` say what
//! is wrong or not permitted, with the next step. `kind` has the kinds that all of them speak of.

pub mod access;
pub mod connect;
pub mod discover;
pub mod error;
pub mod kind;
pub mod permission;

pub use access::{Access, Scope, access};
pub use connect::{Connection, Context, Options, connect, contexts};
pub use discover::{Served, discover};
pub use error::Error;
pub use kind::{Kind, Verb};
pub use permission::{Denied, Permission};
