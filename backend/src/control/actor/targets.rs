//! What revisions are applied to: the built-in proxy and the Envoys, and what they say that they run.

use std::time::Instant;

use api::event::Delta;
use api::revision::Stage;
use api::state::{Target, TargetState, TargetStatus};

use super::Actor;
use crate::clock::now_millis;
use crate::control::timeline::Progress;
use crate::data_plane::listeners;
use crate::envoy::worlds::Plans;

impl Actor {
    /// Swaps plans in the proxy.
    pub(super) async fn swap(&mut self, revision: u64, plans: &Plans, progress: &mut Progress) {
        match self.parts.plane.run(plans).await {
            Ok((at, changed)) => {
                progress.reach(Stage::Swapped, at, None);
                let state = TargetState::Applied { revision, at: now_millis(), millis: progress.millis(at) };
                self.tell_proxy(state);
                if changed {
                    self.tell_listeners();
                }
            }
            Err(error) => {
                tracing::error!(%error, revision, "not swapped");
                self.tell_proxy(TargetState::Unreachable { since: now_millis() });
            }
        }
    }

    /// An Envoy has come, gone, taken or refused something.
    pub(super) fn envoys(&mut self) {
        let state = self.tell_envoys();
        if self.parts.envoys.admit() {
            self.tell_listeners();
        }
        if self.parts.envoys.fleet().is_some()
            && let Some(TargetState::Applied { revision, .. }) = state
        {
            self.reach(revision, Stage::Swapped, Instant::now(), None);
        }
    }

    /// Tells what the Envoys run, if that is news.
    pub(super) fn tell_envoys(&mut self) -> Option<TargetState> {
        let head = self.parts.head.info.number;
        let progress = self.progress.as_ref().filter(|progress| progress.revision() == head);
        let millis = progress.map_or(0.0, |progress| progress.millis(Instant::now()));
        let status = self.parts.envoys.news(head, millis, now_millis())?;
        let state = status.state.clone();
        self.parts.hub.publish(Delta::Target(status));
        Some(state)
    }

    fn tell_listeners(&self) {
        self.parts.hub.publish(Delta::Listeners(listeners(&self.parts.entries.load())));
    }

    /// Tells what the proxy runs.
    pub(super) fn tell_proxy(&self, state: TargetState) {
        self.parts.hub.publish(Delta::Target(TargetStatus {
            target: Target::Proxy,
            state,
            nodes: Vec::new(),
        }));
    }
}
