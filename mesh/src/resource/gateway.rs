//! Gateway.

use std::collections::BTreeMap;

messages! {
    /// A load balancer at the edge of the mesh.
    Gateway {
        /// What it listens on.
        servers: Vec<Server>,
        /// Labels of the workloads that run it.
        selector: BTreeMap<String, String>,
    }

    /// A port with its hosts.
    Server {
        /// The port.
        port: Option<ServerPort>,
        /// Address, or `unix://` and a path.
        bind: Option<String>,
        /// Hosts; `namespace/host` limits where VirtualServices may come from.
        hosts: Vec<String>,
        /// TLS downstream.
        tls: Option<ServerTls>,
        /// Where traffic without a route goes.
        default_endpoint: Option<String>,
        /// Its name.
        name: Option<String>,
    }

    /// The port of a server.
    ServerPort {
        /// Number.
        number: Option<i64>,
        /// Protocol: `HTTP`, `HTTPS`, `GRPC`, `HTTP2`, `MONGO`, `TCP`, `TLS`.
        protocol: Option<String>,
        /// Name.
        name: Option<String>,
        /// Port of the workload; `number` unless set.
        target_port: Option<i64>,
    }

    /// TLS downstream.
    ServerTls {
        /// Answers plain HTTP with a redirect.
        https_redirect: Option<bool>,
        /// How.
        mode: Option<ServerTlsMode>,
        /// File of the certificate: the form that `credentialName` took the place of.
        server_certificate: Option<String>,
        /// File of its key.
        private_key: Option<String>,
        /// File of the clients' authorities.
        ca_certificates: Option<String>,
        /// File of revoked certificates.
        ca_crl: Option<String>,
        /// Secret that holds certificate and key.
        credential_name: Option<String>,
        /// Secrets, one for each kind of key.
        credential_names: Vec<String>,
        /// Secret that holds the clients' authorities.
        ca_cert_credential_name: Option<String>,
        /// Files, one pair for each kind of key.
        tls_certificates: Vec<TlsCertificate>,
        /// Names that clients may have.
        subject_alt_names: Vec<String>,
        /// Hashes of public keys that clients may have.
        verify_certificate_spki: Vec<String>,
        /// Hashes of certificates that clients may have.
        verify_certificate_hash: Vec<String>,
        /// Lowest version.
        min_protocol_version: Option<TlsVersion>,
        /// Highest version.
        max_protocol_version: Option<TlsVersion>,
        /// Ciphers.
        cipher_suites: Vec<String>,
        /// Curves.
        ecdh_curves: Vec<String>,
        /// Clients are not checked.
        insecure_skip_verify [present]: Option<bool>,
    }

    /// Files of one certificate.
    TlsCertificate {
        /// File of the certificate.
        server_certificate: Option<String>,
        /// File of its key.
        private_key: Option<String>,
        /// File of the clients' authorities.
        ca_certificates: Option<String>,
    }
}

open_enums! {
    /// TLS downstream.
    ServerTlsMode {
        /// Passed through, routed by SNI.
        Passthrough = "PASSTHROUGH",
        /// The server shows a certificate.
        Simple = "SIMPLE",
        /// Both do.
        Mutual = "MUTUAL",
        /// Passed through, without a VirtualService.
        AutoPassthrough = "AUTO_PASSTHROUGH",
        /// Both do, with the mesh's own.
        IstioMutual = "ISTIO_MUTUAL",
        /// The client may.
        OptionalMutual = "OPTIONAL_MUTUAL",
    }

    /// Versions of TLS.
    TlsVersion {
        /// The proxy's choice.
        Auto = "TLS_AUTO",
        /// TLS 1.0.
        V1_0 = "TLSV1_0",
        /// TLS 1.1.
        V1_1 = "TLSV1_1",
        /// TLS 1.2.
        V1_2 = "TLSV1_2",
        /// TLS 1.3.
        V1_3 = "TLSV1_3",
    }
}
