//! Which endpoint a request goes to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mesh::Plan;
use mesh::plan::{
    Balancer, Bounds, Cluster, ClusterPolicy, ConsistentHash, HashCookie, HashKey, HashTable, HealthCheck,
    Locality, Outlier, Retry, Warmup,
};
use mesh::registry::LOCALITY_LABELS;
use proxy::{Config, Notice};

use crate::outlier::strict;
use crate::plans::{Draft, cluster, retries, to_first};
use crate::support::{Connection, Rig, Server, assert_drawn, get, reply, request, skipped};

async fn named(count: usize) -> Vec<Server> {
    let names = ["a", "b", "c", "d", "e"];
    futures::future::join_all(names[..count].iter().map(|name| Server::named(name))).await
}

fn of(servers: &[Server], change: impl FnOnce(&mut Cluster)) -> Draft {
    let mut cluster = cluster("v1", &servers.iter().collect::<Vec<_>>());
    change(&mut cluster);
    Draft::new(vec![cluster], vec![to_first(|_| {})])
}

/// How many requests each server got of so many.
async fn shares(rig: &Rig, servers: &[Server], requests: usize) -> Vec<u64> {
    let before: Vec<usize> = servers.iter().map(Server::requests).collect();
    let mut connection = Connection::open(rig.address).await;
    for _ in 0..requests {
        let answer = connection.fetch(request("GET", "/", &[], "")).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    servers.iter().zip(before).map(|(server, before)| (server.requests() - before) as u64).collect()
}

#[tokio::test]
async fn algorithms_share_requests() {
    // How far off it may be; nothing where it is drawn.
    for (balancer, weights, expected, tolerance) in [
        (Balancer::RoundRobin, [1, 1, 1], [30, 30, 30], Some(0)),
        (Balancer::RoundRobin, [4, 1, 1], [60, 15, 15], Some(0)),
        (Balancer::LeastRequest, [4, 1, 1], [60, 15, 15], Some(3)),
        (Balancer::LeastRequest, [1, 1, 1], [30, 30, 30], None),
        (Balancer::Random, [4, 1, 1], [30, 30, 30], None),
        (Balancer::Passthrough, [1, 1, 1], [30, 30, 30], Some(0)),
    ] {
        let servers = named(3).await;
        let draft = of(&servers, |cluster| {
            cluster.policy.balancer = balancer;
            for (endpoint, weight) in cluster.endpoints.iter_mut().zip(weights) {
                endpoint.weight = weight;
            }
        });
        let rig = Rig::start(draft.plan()).await;
        let Some(tolerance) = tolerance else {
            assert_drawn(&shares(&rig, &servers, 600).await, &expected);
            continue;
        };
        for (share, wanted) in shares(&rig, &servers, 90).await.into_iter().zip(expected) {
            assert!(share.abs_diff(wanted.into()) <= tolerance, "{balancer:?}: {share} for {wanted}");
        }
    }
}

#[tokio::test]
async fn the_less_busy_get_more() {
    let (busy, gate) = Server::gated("busy").await;
    let idle = Server::named("idle").await;
    let mut both = cluster("v1", &[&busy, &idle]);
    both.policy.balancer = Balancer::LeastRequest;
    let rig = Rig::start(Draft::new(vec![both], vec![to_first(|_| {})]).plan()).await;
    let address = rig.address;
    let held = tokio::spawn(async move { while get(address, "/held", &[]).await.body != "busy" {} });
    gate.holds().await;
    let before = busy.requests();
    for _ in 0..100 {
        get(address, "/", &[]).await;
    }
    // It is drawn alone for a quarter of them.
    assert!((10..40).contains(&(busy.requests() - before)), "{}", busy.requests() - before);
    gate.open(1);
    held.await.unwrap();
}

fn hashed(servers: &[Server], key: HashKey, table: HashTable) -> Draft {
    of(servers, |cluster| cluster.policy.hash = Some(ConsistentHash { key, table }))
}

#[tokio::test]
async fn the_same_client_keeps_to_its_endpoint() {
    let header = |user: usize| (vec![("x-user", format!("user-{user}"))], "/".to_owned());
    let query = |user: usize| (vec![], format!("/path?a=b&user=user-{user}"));
    let cookie = |user: usize| (vec![("cookie", format!("a=b; user=user-{user}"))], "/".to_owned());
    let kinds: [(HashKey, &dyn Fn(usize) -> (Vec<(&'static str, String)>, String)); 3] = [
        (HashKey::Header("x-user".to_owned()), &header),
        (HashKey::Query("user".to_owned()), &query),
        (HashKey::Cookie(HashCookie { name: "user".to_owned(), ..HashCookie::default() }), &cookie),
    ];
    for (key, ask) in kinds {
        for table in [HashTable::Ring(1024), HashTable::Maglev(1009)] {
            let servers = named(3).await;
            let draft = hashed(&servers, key.clone(), table);
            let rig = Rig::start(draft.clone().plan()).await;
            let mut homes = BTreeMap::new();
            for user in (0..30).chain(0..30) {
                let (headers, path) = ask(user);
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let answer = get(rig.address, &path, &headers).await;
                assert!(!answer.headers.contains_key("set-cookie"), "it has no life to give one");
                let home = homes.entry(user).or_insert_with(|| answer.body.clone());
                assert_eq!(*home, answer.body, "{key:?}");
            }
            assert!(servers.iter().all(|server| server.requests() > 0), "{key:?}");
            // Those whose endpoint stays, stay; another thread or plan agrees on it.
            let mut next = Draft { revision: 2, ..draft };
            next.clusters[0].endpoints.remove(2);
            rig.swap(next.plan()).await;
            let (mut moved, mut stay) = (0, 0);
            for (user, home) in homes.iter().filter(|(_, home)| *home != "c") {
                let (headers, path) = ask(*user);
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                stay += 1;
                moved += usize::from(get(rig.address, &path, &headers).await.body != *home);
            }
            // Fewer than if there were no table, which is half of them.
            assert!(moved * 5 < stay * 2, "{moved} of {stay} moved that did not need to");
        }
    }
}

#[tokio::test]
async fn both_planes_place_a_key_on_the_same_endpoint() {
    if std::env::var_os("MESHWRIGHT_ENVOY").is_none() {
        return skipped("no Envoy (MESHWRIGHT_ENVOY names one)");
    }
    let cookie = HashCookie { name: "user".to_owned(), ..HashCookie::default() };
    let keys = [
        HashKey::Header("x-user".to_owned()),
        HashKey::Query("user".to_owned()),
        HashKey::Cookie(cookie),
        HashKey::SourceIp,
    ];
    for key in keys {
        for table in
            [HashTable::Ring(1024), HashTable::Ring(9), HashTable::Maglev(101), HashTable::Maglev(65_537)]
        {
            let servers = named(5).await;
            let mut draft = hashed(&servers, key.clone(), table);
            for (endpoint, weight) in draft.clusters[0].endpoints.iter_mut().zip([1, 3, 1, 2, 1]) {
                endpoint.weight = weight;
            }
            let plan = draft.plan();
            let config = || Config { threads: 1, ..Config::default() };
            let own = Rig::of(config(), Arc::clone(&plan), Some(80), false).await;
            let envoy = Rig::of(config(), plan, Some(80), true).await;
            for user in 0..40 {
                let name = format!("user-{user}");
                let (cookie, path) = (format!("a=b; user={name}"), format!("/?a=b&user={name}"));
                let mut headers = vec![("x-user", name.as_str()), ("cookie", cookie.as_str())];
                // Several values count as one, whatever their order.
                headers.extend((user % 3 == 0).then_some(("x-user", "another")));
                headers.extend((user % 3 == 1).then_some(("x-user", "zzz")));
                let forwarded = format!("10.0.0.{user}");
                headers.push(("x-forwarded-for", &forwarded));
                let (here, there) =
                    tokio::join!(get(own.address, &path, &headers), get(envoy.address, &path, &headers));
                assert_eq!(here.body, there.body, "{key:?} {table:?} {name}");
            }
        }
    }
}

#[tokio::test]
async fn an_address_keeps_to_its_endpoint() {
    let servers = named(3).await;
    let rig = Rig::start(hashed(&servers, HashKey::SourceIp, HashTable::Ring(1024)).plan()).await;
    let mut shares = shares(&rig, &servers, 12).await;
    shares.sort_unstable();
    assert_eq!(shares, [0, 0, 12]);
}

#[tokio::test]
async fn a_client_without_a_cookie_gets_one() {
    let servers = named(3).await;
    let cookie = HashCookie {
        name: "home".to_owned(),
        path: Some("/".to_owned()),
        ttl: Some(Duration::from_secs(60)),
        attributes: Vec::new(),
    };
    let draft = hashed(&servers, HashKey::Cookie(cookie), HashTable::Maglev(1009));
    let rig = Rig::start(draft.plan()).await;
    let mut seen = BTreeMap::<String, usize>::new();
    for _ in 0..30 {
        let first = get(rig.address, "/", &[]).await;
        let made = first.headers["set-cookie"].to_str().unwrap().to_owned();
        assert!(made.starts_with("home=\"") && made.ends_with("\"; Max-Age=60; Path=/; HttpOnly"), "{made}");
        let cookie = made.split(';').next().unwrap();
        let second = get(rig.address, "/", &[("cookie", cookie)]).await;
        assert_eq!(first.body, second.body);
        assert!(!second.headers.contains_key("set-cookie"));
        *seen.entry(first.body).or_default() += 1;
    }
    assert_eq!(seen.len(), 3, "new clients go anywhere");
}

#[tokio::test]
async fn requests_without_a_key_go_anywhere() {
    for table in [HashTable::Ring(1024), HashTable::Maglev(1009)] {
        let servers = named(3).await;
        let rig = Rig::start(hashed(&servers, HashKey::Header("x-user".to_owned()), table).plan()).await;
        let got = shares(&rig, &servers, 60).await;
        assert!(got.iter().all(|share| *share > 0), "{got:?}");
    }
}

/// A plan for a source in a region, whose endpoints are in these.
fn located(servers: &[Server], places: &[&str], locality: Locality, outlier: Option<Outlier>) -> Arc<Plan> {
    let draft = of(servers, |cluster| {
        cluster.policy.locality = Some(locality);
        cluster.policy.outlier = outlier;
        for (endpoint, place) in cluster.endpoints.iter_mut().zip(places) {
            (*place).clone_into(&mut endpoint.locality);
        }
    });
    let labels = Arc::new([(LOCALITY_LABELS[0].to_owned(), "here".to_owned())].into());
    Arc::new(Plan { labels, ..Plan::clone(&draft.plan()) })
}

#[tokio::test]
async fn another_region_takes_over_when_the_nearest_fails() {
    let near = Server::start(|_| async { reply(503, "down") }).await;
    let mut servers = named(2).await;
    servers.insert(0, near);
    let outlier = Outlier { errors: Some(1), ..strict() };
    let locality = Locality {
        fails_over: true,
        failover: vec![("here".to_owned(), "there".to_owned())],
        ..Locality::default()
    };
    let places = ["here", "elsewhere", "there"];
    let mut rig = Rig::start(located(&servers, &places, locality, Some(outlier))).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "down", "the nearest is asked first");
    rig.told(|notice| matches!(notice, Notice::Ejected { .. }).then_some(())).await;
    assert_eq!(shares(&rig, &servers, 10).await, [0, 0, 10]);
}

#[tokio::test]
async fn retries_may_go_to_another_region() {
    for (remote, status, tries) in [(true, 200, 2), (false, 503, 4)] {
        let near = Server::start(|_| async { reply(503, "down") }).await;
        let servers = [near, Server::named("far").await];
        let locality = Locality { fails_over: true, ..Locality::default() };
        let plan = located(&servers, &["here", "there"], locality, None);
        let retry = Retry { remote_localities: remote, ..retries(3, "5xx") };
        let route = to_first(|forward| forward.retries = Some(retry));
        let draft = Draft::new(plan.clusters.iter().map(|it| (**it).clone()).collect(), vec![route]).plan();
        let plan = Plan { labels: plan.labels.clone(), ..Plan::clone(&draft) };
        let rig = Rig::start(Arc::new(plan)).await;
        assert_eq!(get(rig.address, "/", &[]).await.status, status);
        assert_eq!(servers[0].requests(), tries, "the first two tries are near, whatever comes");
    }
}

#[tokio::test]
async fn places_get_the_shares_that_are_said() {
    let servers = named(4).await;
    let to = vec![("here/*".to_owned(), 80), ("there".to_owned(), 20)];
    let locality = Locality { distribute: vec![("here/*".to_owned(), to)], ..Locality::default() };
    let places = ["here/1", "here/2", "there", "elsewhere"];
    let rig = Rig::start(located(&servers, &places, locality, None)).await;
    let got = shares(&rig, &servers, 300).await;
    assert_drawn(&got[..3], &[40, 40, 20]);
    assert_eq!(got[3], 0, "{got:?}");
}

#[tokio::test]
async fn a_new_endpoint_warms_up() {
    let servers = named(2).await;
    let window = Duration::from_millis(600);
    let draft = of(&servers, |cluster| {
        // The curve stays low until its very end.
        cluster.policy.warmup = Some(Warmup { window, minimum: 1.0, aggression: 0.02 });
    });
    let mut alone = draft.clone();
    alone.clusters[0].endpoints.remove(1);
    let rig = Rig::start(alone.plan()).await;
    assert_eq!(get(rig.address, "/", &[]).await.body, "a");
    // The first is warm when the second comes.
    tokio::time::sleep(window).await;
    rig.swap(Draft { revision: 2, ..draft }.plan()).await;
    let began = Instant::now();
    let early = shares(&rig, &servers, 40).await;
    // On a machine that is too slow to see it there is nothing to see.
    assert!(early[1] <= 4 || began.elapsed() > window / 2, "{early:?}");
    tokio::time::sleep_until((began + window + Duration::from_millis(20)).into()).await;
    assert_eq!(shares(&rig, &servers, 40).await, [20, 20]);
}

#[tokio::test]
async fn policies_come_and_go_without_a_failed_request() {
    let servers = named(4).await;
    let base = of(&servers, |_| {});
    let outlier = Outlier {
        errors: Some(2),
        gateway_errors: Some(1),
        local_failures: Some(1),
        codes: Vec::new(),
        interval: Duration::from_millis(1),
        base_ejection: Duration::from_millis(1),
        max_ejected: 50,
        min_healthy: 50,
    };
    let hash = |table| Some(ConsistentHash { key: HashKey::Header("x-user".to_owned()), table });
    let health = HealthCheck::parse("http: {path: /}\ninterval: 5ms\njitter: 5ms").unwrap();
    let wide = Some(1000);
    let bounds =
        Bounds { connections: wide, pending: wide, requests: wide, retries: wide, ..Bounds::default() };
    let policies = [
        ClusterPolicy { balancer: Balancer::Random, ..ClusterPolicy::default() },
        ClusterPolicy { hash: hash(HashTable::Ring(256)), ..ClusterPolicy::default() },
        ClusterPolicy { outlier: Some(outlier.clone()), bounds, ..ClusterPolicy::default() },
        ClusterPolicy {
            hash: hash(HashTable::Maglev(101)),
            outlier: Some(outlier),
            ..ClusterPolicy::default()
        },
        ClusterPolicy { health: Some(health), balancer: Balancer::RoundRobin, ..ClusterPolicy::default() },
        ClusterPolicy {
            warmup: Some(Warmup { window: Duration::from_millis(50), minimum: 10.0, aggression: 1.0 }),
            bounds: Bounds { requests_per_connection: Some(3), ..Bounds::default() },
            ..ClusterPolicy::default()
        },
    ];
    let config = Config { threads: 2, ..Config::default() };
    let rig = Rig::with(config, base.clone().plan()).await;
    let (address, done) = (rig.address, Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let user = format!("user-{client}");
                let mut asked = 0;
                while !done.load(Ordering::SeqCst) {
                    let request = request("GET", "/", &[("x-user", &user)], "");
                    assert_eq!(connection.fetch(request).await.unwrap().status, 200);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for revision in 2..122 {
        let at = usize::try_from(revision).unwrap();
        let mut next = Draft { revision, ..base.clone() };
        let cluster = &mut next.clusters[0];
        cluster.policy = policies[at % policies.len()].clone();
        // Endpoints come and go, and are lighter or heavier.
        cluster.endpoints.remove(at % 4);
        cluster.endpoints[at % 3].weight = 1 + u32::try_from(at % 5).unwrap();
        rig.swap(next.plan()).await;
        // Some requests run under each.
        get(address, "/", &[]).await;
    }
    done.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}
