//! The sample mesh, for tests.

use std::sync::Arc;

use mesh::{Settings, Sources};

use crate::reading::Reading;
use crate::topology::NodeId;

/// Bookinfo, and what else a test needs as `extra.yaml`.
pub(crate) fn bookinfo(extra: &str) -> Reading {
    let files = [
        ("books.yaml", include_str!("../../assets/bookinfo/books.yaml")),
        ("details.yaml", include_str!("../../assets/bookinfo/details.yaml")),
        ("gateway.yaml", include_str!("../../assets/bookinfo/gateway.yaml")),
        ("productpage.yaml", include_str!("../../assets/bookinfo/productpage.yaml")),
        ("ratings.yaml", include_str!("../../assets/bookinfo/ratings.yaml")),
        ("reviews.yaml", include_str!("../../assets/bookinfo/reviews.yaml")),
        ("extra.yaml", extra),
    ];
    let sources: Sources = files.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    Reading::of(Arc::new(sources), &Settings::default(), None)
}

/// The node of a service of Bookinfo.
pub(crate) fn service(name: &str) -> NodeId {
    NodeId::Service(host(name))
}

/// The host of a service of Bookinfo.
pub(crate) fn host(name: &str) -> String {
    format!("{name}.default.svc.cluster.local")
}
