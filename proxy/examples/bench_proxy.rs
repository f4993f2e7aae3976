//! A proxy to measure: two destinations, weighted 75 to 25, with Istio's default retries, a timeout, a fault filter that
//! draws and never strikes, and observations on.
//!
//! `bench_proxy LISTEN UPSTREAM UPSTREAM [THREADS]` serves any host until it is killed, and prints what it observed each
//! second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh::plan::{
    AbortWith, Action, Balancer, Cluster, ClusterId, ClusterKey, ClusterPolicy, Destination, Endpoint, Fault,
    Forward, HeaderOps, Listener, Plan, Protocol, Retry, RetryOn, Route, UnknownHost, VirtualHost,
    VirtualHosts,
};
use mesh::{RouteKey, Source};
use proxy::{Config, Entry, Proxy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstreams @ ..] = arguments.as_slice() else {
        return Err("usage: bench_proxy LISTEN UPSTREAM UPSTREAM [THREADS]".into());
    };
    let listen: SocketAddr = listen.parse()?;
    let threads = upstreams.get(2).map_or(Ok(1), |count| count.parse())?;
    let upstreams =
        upstreams.iter().take(2).map(|upstream| upstream.parse()).collect::<Result<Vec<_>, _>>()?;
    let plan = plan(&upstreams);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (proxy, mut events) = Proxy::start(Config { threads, ..Config::default() })?;
        let entry = Entry { source: plan.source.clone(), port: Some(80) };
        proxy.swap(vec![Arc::new(plan)]).await;
        println!("listening on {}", proxy.bind(entry, &[listen]).await?);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let (mut requests, mut failed) = (0, 0);
        loop {
            tokio::select! {
                batch = events.batches.recv() => {
                    for stats in batch.ok_or("the proxy ended")?.stats.values() {
                        requests += stats.requests;
                        failed += stats.requests - stats.codes.get(&200).copied().unwrap_or(0);
                    }
                }
                _ = second.tick(), if requests > 0 => {
                    println!("{requests} requests, {failed} failed");
                    (requests, failed) = (0, 0);
                }
            }
        }
    })
}

fn plan(upstreams: &[SocketAddr]) -> Plan {
    let host = "reviews.default.svc.cluster.local".to_owned();
    let cluster = |(upstream, subset): (&SocketAddr, &str)| Cluster {
        key: ClusterKey { host: host.clone(), subset: Some(subset.to_owned()), port: 80 },
        known: true,
        endpoints: vec![Endpoint {
            address: upstream.ip().to_string(),
            port: upstream.port(),
            workload: format!("reviews-{subset}"),
            labels: [("version".to_owned(), subset.to_owned())].into(),
            weight: 1,
            locality: String::new(),
        }],
        policy: ClusterPolicy { balancer: Balancer::RoundRobin, ..ClusterPolicy::default() },
    };
    let destination = |(cluster, weight)| Destination {
        cluster: ClusterId(cluster),
        weight,
        headers: HeaderOps::default(),
    };
    let forward = Forward {
        destinations: [(0, 75), (1, 25)].map(destination).into(),
        total_weight: 100,
        rewrite: None,
        timeout: Some(Duration::from_secs(15)),
        retries: Some(Retry {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn::istio_default(),
            back_off: Duration::from_millis(25),
            remote_localities: false,
            ignore_previous_hosts: true,
        }),
        mirrors: Vec::new(),
    };
    let route = Route {
        key: Some(RouteKey { namespace: "default".to_owned(), name: "reviews".to_owned(), index: 0 }),
        name: None,
        matches: Vec::new(),
        action: Action::Forward(Box::new(forward)),
        fault: Some(Fault {
            delay: Some((0, Duration::from_secs(5))),
            abort: Some((0, AbortWith::Http(503))),
        }),
        headers: HeaderOps::default(),
        cors: None,
    };
    let virtual_host = VirtualHost { name: host.clone(), domains: vec!["*".to_owned()], routes: vec![route] };
    let listener = Listener {
        port: 80,
        protocol: Protocol::Http,
        hosts: VirtualHosts::of(vec![virtual_host]),
        unknown_host: UnknownHost::NotFound,
        connections: Vec::new(),
        tls: Vec::new(),
    };
    Plan {
        revision: 1,
        source: Source::Workload { namespace: "default".to_owned(), name: "bench".to_owned() },
        labels: [].into(),
        listeners: [listener].into(),
        clusters: upstreams.iter().zip(["v1", "v2"]).map(cluster).collect(),
    }
}
