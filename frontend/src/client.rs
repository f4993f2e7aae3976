//! Talks to the server: the event stream and the API.

mod events;

pub use events::listen;
