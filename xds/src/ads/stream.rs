//! One stream between the network, the node's resources and the [`Session`] that decides what is sent.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::{FutureExt, Stream, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;
use tracing::field::Empty;

use super::body::Message;
use super::change::Shared;
use super::decode::{Request, Requests, version};
use super::encode::{self, Protocol};
use super::nodes::{Nodes, Presence};
use super::session::{Response, Session};
use super::turn::{Turn, Turns};
use super::{Client, SnapshotSource};
use crate::node::Node;
use crate::resource::{Kind, Snapshot};

/// How many requests are heard before the first is answered.
const AT_ONCE: usize = 16;

/// What all streams of a server have.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) snapshots: Arc<dyn SnapshotSource>,
    pub(super) shared: Arc<Shared>,
    pub(super) nodes: Nodes,
    pub(super) turns: Turns,
    pub(super) stop: CancellationToken,
}

/// A stream that has not said yet whose it is.
pub(super) struct Opening {
    pub(super) context: Context,
    pub(super) protocol: Protocol,
    /// The kind, if the stream has but one.
    pub(super) only: Option<Kind>,
    pub(super) address: Option<SocketAddr>,
    pub(super) requests: Requests,
}

/// One that has.
struct Open {
    turn: Turn,
    requests: Requests,
    only: Option<Kind>,
    session: Session,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    presence: Presence,
    stop: CancellationToken,
}

enum State {
    Opening(Box<Opening>),
    Open(Box<Open>),
    Ended,
}

/// The messages of a stream, up to a status that is not OK or the client's end.
pub(super) fn messages(opening: Opening) -> impl Stream<Item = Result<Message, Status>> + Send {
    let peer = opening.address.map(tracing::field::display);
    let span = tracing::info_span!(parent: None, "stream", protocol = ?opening.protocol, peer, node = Empty);
    stream::unfold(State::Opening(Box::new(opening)), move |state| step(state).instrument(span.clone()))
}

/// The next message of a stream, and what the stream is then.
async fn step(state: State) -> Option<(Result<Message, Status>, State)> {
    let open = match state {
        State::Opening(opening) => opening.open().await,
        State::Open(open) => Ok(Some(open)),
        State::Ended => return None,
    };
    let mut open = match open {
        Ok(open) => open?,
        Err(status) => return Some(ended(status)),
    };
    match open.next().await {
        Ok(response) => Some((Ok(open.message(response?)), State::Open(open))),
        Err(status) => Some(ended(status)),
    }
}

fn ended(status: Status) -> (Result<Message, Status>, State) {
    tracing::debug!(%status, "ended");
    (Err(status), State::Ended)
}

impl Opening {
    /// Hears whose stream it is, and finds what there is for it; nothing if it ends before.
    async fn open(mut self) -> Result<Option<Box<Open>>, Status> {
        let stop = self.context.stop.clone();
        let mut turn = tokio::select! {
            () = stop.cancelled() => return Err(ends()),
            turn = self.context.turns.wait() => turn,
        };
        let request = loop {
            tokio::select! {
                () = stop.cancelled() => return Err(ends()),
                request = self.requests.next() => break request?,
                () = turn.expire() => {}
            }
        };
        let Some(request) = request else { return Ok(None) };
        let said = request.node.as_ref();
        let node = Node::read(said).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let client = Client {
            node,
            delta: self.protocol == Protocol::Delta,
            agent: said.map(|node| node.user_agent_name.clone()).unwrap_or_default(),
            version: said.map(version).unwrap_or_default(),
            address: self.address,
        };
        tracing::Span::current().record("node", &client.node.id);
        let mut snapshots = self.context.snapshots.subscribe(&client).map_err(Status::not_found)?;
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let presence = self.context.nodes.arrive(client, snapshot.revision);
        let session = Session::new(self.protocol, self.context.shared, snapshot);
        let mut open =
            Open { turn, requests: self.requests, only: self.only, session, snapshots, presence, stop };
        open.hear(request)?;
        Ok(Some(Box::new(open)))
    }
}

impl Open {
    /// Waits for the next response; nothing if the client has ended the stream.
    async fn next(&mut self) -> Result<Option<Response>, Status> {
        loop {
            // What a client that returns asks for comes at once, for one kind after the other. Heard before the first answer, it is
            // known what still has to be taken by the client before something else is taken from it.
            for _ in 0..AT_ONCE {
                let Some(request) = self.requests.next().now_or_never() else { break };
                let Some(request) = request? else { return Ok(None) };
                self.hear(request)?;
            }
            if let Some(response) = self.session.next() {
                return Ok(Some(response));
            }
            self.presence.hold(self.session.revision(), self.session.acked());
            if self.session.is_current() {
                self.turn.end();
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(ends()),
                request = self.requests.next() => {
                    let Some(request) = request? else { return Ok(None) };
                    self.hear(request)?;
                }
                () = self.turn.expire() => {}
                changed = self.snapshots.changed() => {
                    // Whatever the node was is not there any longer; it may come back as something else.
                    changed.map_err(|_gone| Status::not_found("what the node was is gone"))?;
                    let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
                    self.session.offer(snapshot);
                    self.presence.hold(self.session.revision(), self.session.acked());
                }
            }
        }
    }

    fn hear(&mut self, request: Request) -> Result<(), Status> {
        let kind = match (Kind::of(&request.type_url), self.only) {
            (kind, None) => kind,
            (None, Some(only)) if request.type_url.is_empty() => Some(only),
            (kind, Some(only)) if kind == Some(only) => kind,
            (_, Some(only)) => {
                let said = format!("this stream is for {}, not {}", only.type_url(), request.type_url);
                return Err(Status::invalid_argument(said));
            }
        };
        // Envoys may ask for kinds that there are none of here.
        let Some(kind) = kind else {
            tracing::debug!(kind = request.type_url, "asked for a kind that there is none of");
            return Ok(());
        };
        if let Some(answer) = self.session.ask(kind, request.ask) {
            self.presence.answered(kind, answer.revision, answer.error);
            self.presence.hold(self.session.revision(), self.session.acked());
        }
        Ok(())
    }

    fn message(&self, response: Response) -> Message {
        let Response { kind, revision, nonce, body } = response;
        let message = Message::new(|head| encode::head(kind, revision, nonce, head), body);
        self.presence.sent(message.len());
        message
    }
}

fn ends() -> Status {
    Status::unavailable("the server ends")
}
