//! `trafficPolicy` of a DestinationRule.

use std::collections::BTreeMap;

use super::destination::PortSelector;
use super::scalar::DurationString;

messages! {
    /// How clients treat a service.
    TrafficPolicy {
        /// How an endpoint is chosen.
        load_balancer: Option<LoadBalancer>,
        /// Limits.
        connection_pool: Option<ConnectionPool>,
        /// When an endpoint is taken out.
        outlier_detection: Option<OutlierDetection>,
        /// TLS upstream.
        tls: Option<ClientTls>,
        /// Policies of single ports; each replaces the whole policy.
        port_level_settings: Vec<PortTrafficPolicy>,
        /// Tunnels TCP through HTTP.
        tunnel: Option<Tunnel>,
        /// PROXY protocol upstream.
        proxy_protocol: Option<ProxyProtocol>,
        /// Limit of concurrent retries.
        retry_budget: Option<RetryBudget>,
    }

    /// The policy of one port.
    PortTrafficPolicy {
        /// The port.
        port: Option<PortSelector>,
        /// How an endpoint is chosen.
        load_balancer: Option<LoadBalancer>,
        /// Limits.
        connection_pool: Option<ConnectionPool>,
        /// When an endpoint is taken out.
        outlier_detection: Option<OutlierDetection>,
        /// TLS upstream.
        tls: Option<ClientTls>,
    }

    /// How an endpoint is chosen.
    LoadBalancer {
        /// A simple algorithm.
        simple: Option<SimpleLoadBalancer>,
        /// The same client to the same endpoint.
        consistent_hash: Option<ConsistentHash>,
        /// By region and zone.
        locality_lb_setting: Option<LocalityLbSetting>,
        /// New endpoints get their share slowly. Deprecated for `warmup`.
        warmup_duration_secs: Option<DurationString>,
        /// New endpoints get their share slowly.
        warmup: Option<Warmup>,
        /// By zone, with a share kept local.
        zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
        /// By load that endpoints report.
        backend_utilization: Option<BackendUtilization>,
    }

    /// By zone, with a share kept local.
    ZoneAwareLbSetting {
        /// On unless set.
        enabled [present]: Option<bool>,
        /// Where traffic goes when a region fails.
        failover: Vec<LocalityFailover>,
        /// Labels by which endpoints are ordered.
        failover_priority: Vec<String>,
        /// Fewer endpoints than this turn it off.
        min_cluster_size [present]: Option<i64>,
    }

    /// By load that endpoints report.
    BackendUtilization {
        /// Weight of errors in percent.
        error_utilization_penalty_percent [present]: Option<i64>,
        /// Metrics that the load is computed from.
        metric_names_for_computing_utilization: Vec<String>,
        /// Until a report is stale.
        weight_expiration_period: Option<DurationString>,
        /// Until the first report counts.
        weight_stabilization_period: Option<DurationString>,
        /// Between changes.
        weight_update_period: Option<DurationString>,
    }

    /// Hashing; one key and one algorithm.
    ConsistentHash {
        /// By a header.
        http_header_name [present]: Option<String>,
        /// By a cookie.
        http_cookie: Option<HttpCookie>,
        /// By the source's address.
        use_source_ip [present]: Option<bool>,
        /// By a query parameter.
        http_query_parameter_name [present]: Option<String>,
        /// Ring hash.
        ring_hash: Option<RingHash>,
        /// Maglev.
        maglev: Option<Maglev>,
        /// Deprecated for `ringHash.minimumRingSize`.
        minimum_ring_size: Option<i64>,
    }

    /// A cookie to hash by.
    HttpCookie {
        /// Name.
        name: Option<String>,
        /// Path.
        path: Option<String>,
        /// With it the proxy makes the cookie.
        ttl: Option<DurationString>,
        /// Further attributes.
        attributes: Vec<CookieAttribute>,
    }

    /// An attribute of a cookie.
    CookieAttribute {
        /// Name.
        name: Option<String>,
        /// Value.
        value: Option<String>,
    }

    /// Ring hash.
    RingHash {
        /// 1024 unless set.
        minimum_ring_size: Option<i64>,
    }

    /// Maglev.
    Maglev {
        /// A prime; 65537 unless set.
        table_size: Option<i64>,
    }

    /// By region and zone.
    LocalityLbSetting {
        /// Explicit shares.
        distribute: Vec<LocalityDistribute>,
        /// Where traffic goes when a region fails.
        failover: Vec<LocalityFailover>,
        /// Labels by which endpoints are ordered.
        failover_priority: Vec<String>,
        /// On unless set.
        enabled [present]: Option<bool>,
    }

    /// Shares of the traffic from one locality.
    LocalityDistribute {
        /// `region/zone/subzone`, or a prefix with `*`.
        from: Option<String>,
        /// Localities and percents.
        to: BTreeMap<String, i64>,
    }

    /// One region stands in for another.
    LocalityFailover {
        /// Region that fails.
        from: Option<String>,
        /// Region that takes over.
        to: Option<String>,
    }

    /// New endpoints get their share slowly.
    Warmup {
        /// How long.
        duration: Option<DurationString>,
        /// Share at the start.
        minimum_percent [present]: Option<f64>,
        /// Shape of the curve.
        aggression [present]: Option<f64>,
    }

    /// Limits.
    ConnectionPool {
        /// For TCP and HTTP.
        tcp: Option<TcpSettings>,
        /// For HTTP.
        http: Option<HttpSettings>,
    }

    /// Limits of connections.
    TcpSettings {
        /// To the service.
        max_connections: Option<i64>,
        /// Until a connection stands.
        connect_timeout: Option<DurationString>,
        /// Keep-alive.
        tcp_keepalive: Option<TcpKeepalive>,
        /// Longest life of a connection.
        max_connection_duration: Option<DurationString>,
        /// Without bytes.
        idle_timeout: Option<DurationString>,
    }

    /// Keep-alive of TCP.
    TcpKeepalive {
        /// Probes without an answer.
        probes: Option<i64>,
        /// Idle time before the first.
        time: Option<DurationString>,
        /// Between probes.
        interval: Option<DurationString>,
    }

    /// Limits of requests.
    HttpSettings {
        /// Waiting for a connection.
        http1_max_pending_requests: Option<i64>,
        /// Active, HTTP/1 too.
        http2_max_requests: Option<i64>,
        /// On one connection.
        max_requests_per_connection: Option<i64>,
        /// Concurrent.
        max_retries: Option<i64>,
        /// Without requests.
        idle_timeout: Option<DurationString>,
        /// Whether HTTP/1 becomes HTTP/2.
        h2_upgrade_policy: Option<H2UpgradePolicy>,
        /// The client's protocol upstream too.
        use_client_protocol: Option<bool>,
        /// Streams on one HTTP/2 connection.
        max_concurrent_streams: Option<i64>,
        /// Keep-alive of HTTP/2.
        http2_keep_alive: Option<Http2KeepAlive>,
    }

    /// Keep-alive of HTTP/2.
    Http2KeepAlive {
        /// Between pings.
        interval: Option<DurationString>,
        /// For the answer.
        timeout: Option<DurationString>,
    }

    /// When an endpoint is taken out.
    OutlierDetection {
        /// Deprecated for `consecutive5xxErrors`.
        consecutive_errors: Option<i64>,
        /// Local errors are counted apart.
        split_external_local_origin_errors: Option<bool>,
        /// Local errors in a row.
        consecutive_local_origin_failures [present]: Option<i64>,
        /// 502, 503 and 504 in a row.
        consecutive_gateway_errors [present]: Option<i64>,
        /// 5xx in a row.
        consecutive_5xx_errors [present]: Option<i64>,
        /// Between sweeps.
        interval: Option<DurationString>,
        /// Times the number of ejections.
        base_ejection_time: Option<DurationString>,
        /// Most that may be out.
        max_ejection_percent: Option<i64>,
        /// Below it, detection is off.
        min_health_percent: Option<i64>,
        /// Codes that count as errors.
        outlier_detection_http_error_codes: Vec<i64>,
    }

    /// TLS upstream.
    ClientTls {
        /// How.
        mode: Option<ClientTlsMode>,
        /// File of the client's certificate.
        client_certificate: Option<String>,
        /// File of its key.
        private_key: Option<String>,
        /// File of the authorities.
        ca_certificates: Option<String>,
        /// Secret that holds them.
        credential_name: Option<String>,
        /// Names that the server may have.
        subject_alt_names: Vec<String>,
        /// SNI.
        sni: Option<String>,
        /// The server is not checked.
        insecure_skip_verify [present]: Option<bool>,
        /// File of revoked certificates.
        ca_crl: Option<String>,
    }

    /// Tunnels TCP through HTTP.
    Tunnel {
        /// `CONNECT` or `POST`.
        protocol: Option<String>,
        /// Host that is asked for.
        target_host: Option<String>,
        /// Port that is asked for.
        target_port: Option<i64>,
    }

    /// PROXY protocol upstream.
    ProxyProtocol {
        /// `V1` or `V2`.
        version: Option<ProxyProtocolVersion>,
    }

    /// Limit of concurrent retries, as a share of active requests.
    RetryBudget {
        /// 20 unless set.
        percent [present]: Option<f64>,
        /// 3 unless set.
        min_retry_concurrency: Option<i64>,
        /// Over which requests are counted.
        budget_interval: Option<DurationString>,
    }
}

open_enums! {
    /// Simple algorithms.
    SimpleLoadBalancer {
        /// The mesh's default.
        Unspecified = "UNSPECIFIED",
        /// Deprecated for `LEAST_REQUEST`.
        LeastConn = "LEAST_CONN",
        /// Drawn.
        Random = "RANDOM",
        /// The address that the request was sent to.
        Passthrough = "PASSTHROUGH",
        /// In turns.
        RoundRobin = "ROUND_ROBIN",
        /// The less busy of two drawn.
        LeastRequest = "LEAST_REQUEST",
    }

    /// Whether HTTP/1 becomes HTTP/2 upstream.
    H2UpgradePolicy {
        /// The mesh's default.
        Default = "DEFAULT",
        /// No.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = "UPGRADE",
    }

    /// TLS upstream.
    ClientTlsMode {
        /// None.
        Disable = "DISABLE",
        /// The server shows a certificate.
        Simple = "SIMPLE",
        /// Both do.
        Mutual = "MUTUAL",
        /// Both do, with the mesh's own.
        IstioMutual = "ISTIO_MUTUAL",
    }

    /// Versions of the PROXY protocol.
    ProxyProtocolVersion {
        /// Text.
        V1 = "V1",
        /// Binary.
        V2 = "V2",
    }
}
