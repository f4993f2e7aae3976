//! How an endpoint is spoken to: plain or within TLS, and at which of a name's addresses.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;

use super::{Limits, Upstream};
use crate::net::stream::Stream;
use crate::tls::Slot;
use crate::tls::client::Asked;
use crate::upstream::connect::{ConnectError, in_time};
use crate::upstream::origin::Origin;

/// Whether TLS is spoken to an endpoint.
#[derive(Clone, Default, PartialEq)]
pub(crate) enum Security {
    /// It is not.
    #[default]
    Plain,
    /// It is.
    Tls(Origin),
    /// It should be and cannot: nothing is sent.
    Impossible,
}

/// How a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wire {
    /// As HTTP/2.
    pub(crate) h2: bool,
    /// Within TLS.
    pub(crate) tls: bool,
}

/// How connections to an endpoint are made.
#[derive(Default)]
pub(super) struct Manner {
    security: RefCell<Security>,
    /// Of a name only DNS's first address is used, rather than all in turn.
    first_address: Cell<bool>,
    turn: Cell<usize>,
    /// How often the security was another.
    epoch: Cell<u32>,
}

impl Security {
    /// TLS, if any is asked for, towards a server by its name.
    pub(crate) fn of(asked: Option<&Arc<Slot<Asked, ClientConfig>>>, host: &str) -> Self {
        match asked.map(|slot| Origin::new(Arc::clone(slot), host)) {
            None => Self::Plain,
            Some(Ok(origin)) => Self::Tls(origin),
            Some(Err(error)) => {
                tracing::warn!(%error, "TLS towards a service cannot be spoken");
                Self::Impossible
            }
        }
    }
}

impl Manner {
    /// Connections of another epoch are not used again.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.get()
    }
}

impl Upstream {
    /// Speaks TLS like this from now on. Connections that were made otherwise are not used again.
    pub(crate) fn secure(&self, security: &Security) {
        let manner = &self.manner;
        if *manner.security.borrow() != *security {
            *manner.security.borrow_mut() = security.clone();
            manner.epoch.set(manner.epoch.get().wrapping_add(1));
            self.idle.borrow_mut().clear();
            self.multiplexed.borrow_mut().clear();
        }
    }

    /// Whether of a name only DNS's first address is used.
    pub(crate) fn set_first_address(&self, only: bool) {
        self.manner.first_address.set(only);
    }

    /// How requests go that are sent as HTTP/2, or are not.
    pub(super) fn wire(&self, h2: bool) -> Wire {
        Wire { h2, tls: *self.manner.security.borrow() != Security::Plain }
    }

    /// A new byte stream, within TLS where the cluster asks for it. As in Envoy, one time covers all of that.
    pub(super) async fn stream(
        &self,
        limits: &Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<Stream, ConnectError> {
        let manner = &self.manner;
        let turn = (!manner.first_address.get()).then(|| manner.turn.get());
        manner.turn.set(manner.turn.get().wrapping_add(1));
        let security = manner.security.borrow().clone();
        if security == Security::Impossible {
            return Err(ConnectError::Settings);
        }
        in_time(limits.connect, async {
            let mut stream = self.target.connect(turn, barred).await?;
            limits.prepare(&stream);
            if let Some(preface) = &limits.preface {
                stream.write_all(preface).await?;
            }
            match security {
                Security::Tls(origin) => Ok(origin.wrap(stream, limits.http2).await?),
                _ => Ok(stream),
            }
        })
        .await
    }
}
