//! TLS towards one endpoint: the configuration of its cluster, and the name that it has to prove.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::net::stream::Stream;
use crate::tls::alpn::{Alpn, HTTP1, HTTP2};
use crate::tls::client::ClientSettings;
use crate::tls::{Slot, TlsError};
use crate::upstream::connect::ConnectError;

/// TLS towards the endpoints of a cluster.
#[derive(Clone)]
pub(crate) struct Origin {
    slot: Arc<Slot<ClientSettings, ClientConfig>>,
    name: ServerName<'static>,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slot, &other.slot) && self.name == other.name
    }
}

impl Origin {
    /// For a server by this name; an SNI that the settings give stands in its place.
    pub(crate) fn new(slot: Arc<Slot<ClientSettings, ClientConfig>>, host: &str) -> Result<Self, TlsError> {
        let sni = slot.settings().tls.settings.sni.clone().filter(|sni| !sni.is_empty());
        let name = sni.unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned());
        let name = ServerName::try_from(name.clone()).map_err(|_bad| TlsError::Name(name))?;
        Ok(Self { slot, name })
    }

    /// Speaks TLS on a stream; HTTP/2 within, where either may be.
    pub(crate) async fn wrap(&self, stream: Stream, h2: bool) -> Result<Stream, ConnectError> {
        let config = self.slot.current().ok_or(ConnectError::Settings)?;
        let connector = TlsConnector::from(config);
        let stream = match self.slot.settings().alpn {
            Alpn::Either => {
                let spoken = if h2 { HTTP2 } else { HTTP1 };
                connector.with_alpn(vec![spoken.to_vec()]).connect(self.name.clone(), stream).await?
            }
            _ => connector.connect(self.name.clone(), stream).await?,
        };
        Ok(Stream::TlsClient(Box::new(stream)))
    }
}
