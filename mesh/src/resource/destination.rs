//! Where routes lead.

messages! {
    /// A service, or a subset of it.
    Destination {
        /// Host of the service.
        host: Option<String>,
        /// Name of a subset in a DestinationRule.
        subset: Option<String>,
        /// Port of the service.
        port: Option<PortSelector>,
    }

    /// A port by its number.
    PortSelector {
        /// 1 to 65535.
        number: Option<i64>,
    }
}
