//! Where a mesh comes from. An origin says what it has and when that changes; [`Baseline`] says what of it is a proposal. The control
//! loop knows no more than that: a new origin is a module here that is an [`Origin`], and a line in `server` where it is chosen.

pub mod baseline;
pub mod cluster;
pub mod folder;

use std::error::Error;

use tokio::sync::mpsc;

use crate::files::Found;

pub use baseline::Baseline;

/// What an origin has now, or in words why it cannot be read.
pub type Finding = Result<Found, String>;

/// Something that a mesh comes from. It is only ever read: what changes there is proposed, and a person takes or dismisses it.
pub trait Origin: Send + 'static {
    /// Why it cannot be read.
    type Error: Error + Send + Sync + 'static;

    /// What it is called in sentences.
    fn name(&self) -> &'static str;

    /// All that it has now.
    fn read(&self) -> impl Future<Output = Result<Found, Self::Error>> + Send;

    /// Returns when that may have changed. May be given up and asked again.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// Tells what an origin has whenever that changes, until nobody listens.
pub async fn follow(mut origin: impl Origin, tell: mpsc::Sender<Finding>) {
    loop {
        tokio::select! {
            () = tell.closed() => return,
            () = origin.changed() => {}
        }
        let finding = origin.read().await.map_err(|error| format!("{:#}", anyhow::Error::new(error)));
        if tell.send(finding).await.is_err() {
            return;
        }
    }
}
