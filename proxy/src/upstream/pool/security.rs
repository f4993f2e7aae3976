//! How an endpoint is spoken to: plain or within TLS, and at which of a name's addresses.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;

use super::{Limits, Upstream};
use crate::net::stream::Stream;
use crate::tls::Slot;
use crate::tls::client::ClientSettings;
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
pub(crate) struct Protocol {
    /// As HTTP/2.
    pub(crate) h2: bool,
    /// Within TLS.
    pub(crate) tls: bool,
}

/// How connections to an endpoint are made.
#[derive(Default)]
pub(super) struct Transport {
    security: RefCell<Security>,
    /// Of a name only DNS's first address is used, rather than all in turn.
    first_address: Cell<bool>,
    turn: Cell<usize>,
    /// How often the security was another.
    epoch: Cell<u32>,
}

impl Security {
    /// TLS, if any is asked for, towards a server by its name.
    pub(crate) fn of(asked: Option<&Arc<Slot<ClientSettings, ClientConfig>>>, host: &str) -> Self {
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

impl Transport {
    /// Connections of another epoch are not used again.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.get()
    }
}

impl Upstream {
    /// Speaks TLS like this from now on. Connections that were made otherwise are not used again.
    pub(crate) fn secure(&self, security: &Security) {
        let transport = &self.transport;
        if *transport.security.borrow() != *security {
            *transport.security.borrow_mut() = security.clone();
            transport.epoch.set(transport.epoch.get().wrapping_add(1));
            self.idle.borrow_mut().clear();
            self.multiplexed.borrow_mut().clear();
        }
    }

    /// Whether of a name only DNS's first address is used.
    pub(crate) fn set_first_address(&self, only: bool) {
        self.transport.first_address.set(only);
    }

    /// How requests go that are sent as HTTP/2, or are not.
    pub(super) fn protocol(&self, h2: bool) -> Protocol {
        Protocol { h2, tls: *self.transport.security.borrow() != Security::Plain }
    }

    /// A new byte stream, within TLS where the cluster asks for it. As in Envoy, one time covers all of that.
    pub(super) async fn stream(
        &self,
        limits: &Limits,
        barred: impl Fn(SocketAddr) -> bool,
    ) -> Result<Stream, ConnectError> {
        let transport = &self.transport;
        let turn = (!transport.first_address.get()).then(|| transport.turn.get());
        transport.turn.set(transport.turn.get().wrapping_add(1));
        let security = transport.security.borrow().clone();
        if security == Security::Impossible {
            return Err(ConnectError::Settings);
        }
        in_time(limits.connect, async {
            let mut stream = self.target.connect(turn, barred).await?;
            limits.prepare(&stream);
            if let Some(proxy_header) = &limits.proxy_header {
                stream.write_all(proxy_header).await?;
            }
            match security {
                Security::Tls(origin) => Ok(origin.wrap(stream, limits.http2).await?),
                _ => Ok(stream),
            }
        })
        .await
    }
}
