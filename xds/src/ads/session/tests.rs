//! Streams as scripts. `>` is what goes in, `<` all that comes out of it.
//!
//! `> offer c/a=1 e/a=1` is a new snapshot: kinds by their first letters, names and bytes. `> c a -b` asks for `a` and no longer for `b`;
//! `have a=1` behind it says what the client has, `old` that it answers an old response. `> ack c` and `> nack c why` answer the last
//! response of a kind. `< c a=1 -b` is a response with `a` and without `b`. `= 3 c2` says that the last answer was to revision 3, and that all of the
//! clusters of revision 2 were taken.

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use prost::Message;

use super::*;

struct Script {
    session: Session,
    revision: u64,
    nonces: [u64; 6],
    answer: Option<Answer>,
}

fn kind(letter: &str) -> Kind {
    match letter {
        "s" => Kind::Secret,
        "c" => Kind::Cluster,
        "e" => Kind::Endpoints,
        "l" => Kind::Listener,
        "r" => Kind::Routes,
        "v" => Kind::VirtualHost,
        _ => panic!("`{letter}` is no kind"),
    }
}

fn letter(kind: Kind) -> &'static str {
    ["s", "c", "e", "l", "r", "v"][kind as usize]
}

fn snapshot(revision: u64, text: &str) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::new(revision);
    for of in Kind::ALL {
        let mine = text.split_whitespace().filter_map(|word| {
            let (letter, word) = word.split_once('/')?;
            let (name, bytes) = word.split_once('=')?;
            (kind(letter) == of).then(|| Resource::new(of, name, bytes.as_bytes().to_vec()))
        });
        snapshot.set(of, Arc::new(mine.map(|it| (Arc::clone(&it.name), Arc::new(it))).collect()));
    }
    Arc::new(snapshot)
}

impl Script {
    fn input(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap();
        match verb {
            "offer" => {
                self.revision += 1;
                self.session.offer(snapshot(self.revision, line));
            }
            "ack" | "nack" => {
                let of = kind(words.next().unwrap());
                let error = (verb == "nack").then(|| words.collect::<Vec<_>>().join(" "));
                let nonce = Some(self.nonces[of as usize]);
                // On a stream of the state of the world the names are said each time.
                let watch = self.session.watches[of as usize].as_ref().unwrap();
                let mut subscribe = Vec::new();
                if self.session.protocol == Protocol::World && !watch.legacy {
                    subscribe.extend(watch.scope.names.iter().map(|name| name.as_ref().to_owned()));
                    subscribe.extend(watch.scope.all.then(|| ALL.to_owned()));
                }
                self.answer = self.session.ask(of, Ask { subscribe, nonce, error, ..Ask::default() });
            }
            _ => {
                let of = kind(verb);
                let nonce = self.nonces[of as usize];
                let world = self.session.protocol == Protocol::World;
                let mut ask = Ask { nonce: (world && nonce > 0).then_some(nonce), ..Ask::default() };
                while let Some(word) = words.next() {
                    match word {
                        "old" => ask.nonce = Some(nonce - 1),
                        "have" => {
                            ask.initial = words
                                .by_ref()
                                .map(|word| {
                                    let (name, bytes) = word.split_once('=').unwrap();
                                    let resource = Resource::new(of, name, bytes.as_bytes().to_vec());
                                    (name.to_owned(), encode::version(&resource))
                                })
                                .collect();
                        }
                        _ => match word.strip_prefix('-') {
                            Some(name) => ask.unsubscribe.push(name.to_owned()),
                            None => ask.subscribe.push(word.to_owned()),
                        },
                    }
                }
                self.session.ask(of, ask);
            }
        }
    }

    fn outputs(&mut self) -> Vec<String> {
        let next = || self.session.next();
        let responses: Vec<Response> = std::iter::from_fn(next).collect();
        responses.into_iter().map(|response| self.output(response)).collect()
    }

    fn output(&mut self, response: Response) -> String {
        self.nonces[response.kind as usize] = response.nonce;
        assert_eq!(response.revision, self.revision);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let mut words = vec![letter(response.kind).to_owned()];
        if self.session.protocol == Protocol::World {
            let response = DiscoveryResponse::decode(response.body).unwrap();
            words.extend(response.resources.into_iter().map(|it| text(it.value)));
        } else {
            let response = DeltaDiscoveryResponse::decode(response.body).unwrap();
            for resource in response.resources {
                let value = resource.resource.map_or("?".to_owned(), |any| text(any.value));
                words.push(format!("{}={value}", resource.name));
            }
            words.extend(response.removed_resources.into_iter().map(|name| format!("-{name}")));
        }
        words.join(" ")
    }

    fn state(&self) -> String {
        let answer = match &self.answer {
            Some(Answer { revision, error: None }) => format!("{revision}"),
            Some(Answer { revision, error: Some(error) }) => format!("{revision}!{error}"),
            None => "-".to_owned(),
        };
        let acked = self.session.acked();
        let acked = acked.map(|(kind, acked)| {
            format!(" {}{}", letter(kind), acked.map_or("-".to_owned(), |acked| acked.to_string()))
        });
        answer + &acked.collect::<String>()
    }
}

#[track_caller]
fn check(protocol: Protocol, script: &str) {
    let first = snapshot(0, "");
    let session = Session::new(protocol, Arc::default(), first);
    let mut it = Script { session, revision: 0, nonces: [0; 6], answer: None };
    let mut outputs: Vec<String> = Vec::new();
    for (number, line) in script.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let (sign, rest) = line.split_at(1);
        let rest = rest.trim();
        let at = || format!("line {number}: {line}");
        match sign {
            ">" => {
                assert!(outputs.is_empty(), "before {}: more came out: {outputs:?}", at());
                it.input(rest);
                outputs = it.outputs();
            }
            "<" => {
                assert!(!outputs.is_empty(), "{}: nothing came out", at());
                assert_eq!(outputs.remove(0), rest, "{}", at());
            }
            "=" => assert_eq!(it.state(), rest, "{}", at()),
            _ => panic!("{}", at()),
        }
    }
    assert!(outputs.is_empty(), "at the end, more came out: {outputs:?}");
}

fn delta(script: &str) {
    check(Protocol::Delta, script);
}

fn world(script: &str) {
    check(Protocol::World, script);
}

#[test]
fn a_delta_stream_gets_everything_and_then_what_differs() {
    delta(
        "> offer c/a=1 c/b=1
         > c
         < c a=1 b=1
         = - c-
         > ack c
         = 1 c1
         > offer c/a=1 c/b=2 c/c=1
         < c b=2 c=1
         > offer c/a=1 c/b=3 c/c=1
         > ack c
         < c b=3
         = 2 c2
         > ack c
         = 3 c3
         > offer c/a=1 c/b=3 c/c=1
         = 3 c4
         > offer c/a=1 c/c=1
         < c -b
         = 3 c4
         > ack c
         = 5 c5",
    );
}

#[test]
fn an_empty_answer_ends_the_wait_for_the_first() {
    delta("> l\n < l\n > ack l\n = 0 l0");
    world("> l\n < l\n > ack l\n = 0 l0");
    // There is nothing to say of what nobody asked for.
    delta("> e -a");
}

#[test]
fn what_is_asked_for_by_name_is_answered_even_if_it_is_not_there() {
    delta(
        "> offer e/a=1 e/b=1
         > e a x
         < e a=1 -x
         > ack e
         > e b
         < e b=1
         > ack e
         > offer e/a=1 e/b=1 e/c=1 e/x=1
         < e x=1
         > ack e
         > e -b
         > offer e/a=2 e/b=2 e/c=1
         < e a=2
         > ack e
         < e -x
         > ack e
         > e a
         < e a=2
         = 3 e3",
    );
}

#[test]
fn a_wildcard_is_said_by_a_star_or_by_saying_nothing_first() {
    delta(
        "> offer c/a=1 c/b=1 e/a=1
         > c * x
         < c a=1 b=1 -x
         > ack c
         > c -x
         < c -x
         > ack c
         > c a
         < c a=1
         > ack c
         > c -a
         < c a=1
         > ack c
         > c a -*
         < c a=1
         > ack c
         > offer c/a=2 c/b=2 e/a=1
         < c a=2
         > e
         > e *
         < e a=1",
    );
}

#[test]
fn a_delta_client_that_returns_gets_what_it_lacks() {
    delta(
        "> offer c/a=1 c/b=1 c/c=1 e/a=1 e/b=1
         > c have a=1 b=0 d=1
         < c b=1 c=1
         > e a b x have a=1 b=2 x=1
         < e b=1 -x
         > ack e
         > ack c
         < c -d
         > ack c
         = 1 c1 e1",
    );
    // It has all of it.
    delta("> offer c/a=1\n > c have a=1\n = - c1");
}

#[test]
fn old_answers_count_for_nothing() {
    delta(
        "> offer c/a=1
         > c
         < c a=1
         > c old
         = - c-
         > ack c
         = 1 c1
         > ack c
         = - c1",
    );
    world(
        "> offer e/a=1 e/b=1
         > e a
         < e 1
         > e a b old
         > e a b
         < e 1",
    );
}

#[test]
fn additions_come_in_order_and_removals_last() {
    delta(
        "> offer c/a=1 e/a=1 l/l=1 r/r=1 s/s=1
         > c
         < c a=1
         > e a
         < e a=1
         > ack c
         > ack e
         > l
         < l l=1
         > s s
         < s s=1
         > ack s
         > ack l
         > r r
         < r r=1
         > ack r
         = 1 s1 c1 e1 l1 r1
         > offer c/b=1 e/b=1 l/l=2 r/r=2 s/s=2
         < s s=2
         < c b=1
         > ack s
         > e b -a
         < e b=1
         > ack c
         > ack e
         < l l=2
         < r r=2
         > ack l
         > ack r
         < c -a
         = 2 s2 c1 e2 l2 r2
         > ack c
         = 2 s2 c2 e2 l2 r2",
    );
}

#[test]
fn endpoints_that_come_and_go_hold_nothing_up() {
    delta(
        "> offer c/a=1 c/b=1 e/a=1 r/r=1
         > c
         < c a=1 b=1
         > e a
         < e a=1
         > r r
         < r r=1
         > ack c
         > ack e
         > ack r
         > offer c/a=1 c/b=1 e/a=2 r/r=1
         < e a=2
         > offer c/a=1 e/a=3 r/r=2
         < r r=2
         > ack r
         < c -b
         > ack c
         > ack e
         < e a=3
         = 2 c3 e2 r3
         > ack e
         = 3 c3 e3 r3",
    );
}

#[test]
fn endpoints_come_again_after_their_cluster() {
    let script = "> offer c/a=1 c/b=1 e/a=1 e/b=1
         > c
         < c a=1 b=1
         > e a b
         < e a=1 b=1
         > ack c
         > ack e
         > offer c/a=2 c/b=1 e/a=1 e/b=1
         < c a=2
         < e a=1";
    delta(script);
    world(&script.replace("a=1 b=1\n", "1 1\n").replace("< c a=2", "< c 2 1").replace("< e a=1", "< e 1"));
}

#[test]
fn clusters_that_are_not_taken_keep_routes_as_they_were() {
    delta(
        "> offer c/a=1 l/l=1 r/r=1
         > c
         < c a=1
         > l
         < l l=1
         > r r
         < r r=1
         > ack c
         > ack l
         > ack r
         > offer c/a=1 c/b=bad l/l=1 r/r=2
         < c b=bad
         > nack c no good
         = 2!no good c1 l2 r1
         > offer c/a=2 c/b=bad l/l=1 r/r=2
         < c a=2 b=bad
         > nack c still
         = 3!still c1 l3 r1
         > offer c/a=1 l/l=1 r/r=1
         < c a=1
         > ack c
         < c -b
         > ack c
         = 4 c4 l4 r4",
    );
}

#[test]
fn whoever_has_nothing_gets_what_it_can() {
    delta(
        "> offer c/a=bad l/l=1
         > c
         < c a=bad
         > nack c no
         > l
         < l l=1
         > ack l
         = 1 c- l1",
    );
}

#[test]
fn a_listener_that_is_not_taken_does_not_stop_the_others() {
    delta(
        "> offer l/a=1 r/r=1
         > l
         < l a=1
         > r r
         < r r=1
         > ack l
         > ack r
         > offer l/a=bad l/b=1 r/r=2
         < l a=bad b=1
         < r r=2
         > ack r
         > nack l no
         = 2!no l1 r2
         > offer l/a=bad l/b=1 r/r=3
         < r r=3
         > ack r
         = 3 l1 r3
         > offer l/a=1 l/b=1 r/r=3
         < l a=1 b=1
         > ack l
         = 4 l4 r4",
    );
}

#[test]
fn what_is_asked_for_later_may_be_refused_of_the_same_revision() {
    delta(
        "> offer s/a=1 s/b=bad
         > s a
         < s a=1
         > ack s
         = 1 s1
         > s b
         < s b=bad
         > nack s no
         = 1!no s-
         > s -b
         = 1!no s1",
    );
}

#[test]
fn virtual_hosts_are_asked_for_by_their_routes() {
    delta(
        "> offer v/r/a=1 v/r/b=1 v/s/a=1
         > v r
         < v r/a=1 r/b=1
         > ack v
         > offer v/r/a=1 v/r/b=2 v/s/a=2
         < v r/b=2
         > ack v
         > v r/c
         < v r/c=?
         > ack v
         > v r/b
         < v r/b=2
         > ack v
         > v empty
         < v
         > ack v
         > offer v/r/a=1 v/empty/a=1
         < v empty/a=1
         > ack v
         < v -r/b
         > ack v
         = 3 v3",
    );
}

#[test]
fn virtual_hosts_come_with_their_routes() {
    delta(
        "> offer r/r=1 r/s=1 r/t=1 v/r/a=1 v/s/a=1 v/t/a=1
         > r r
         < r r=1
         > ack r
         > v
         < v r/a=1 s/a=1 t/a=1
         > ack v
         > r s t
         < r s=1 t=1
         < v s/a=1 t/a=1
         > ack r
         > ack v
         > offer r/r=2 r/s=1 r/t=1 v/r/a=1 v/s/a=2 v/t/a=1
         < r r=2
         < v s/a=2",
    );
}

#[test]
fn a_world_stream_gets_all_listeners_and_clusters_each_time() {
    world(
        "> offer c/a=1 c/b=2 e/a=1 e/b=1
         > c
         < c 1 2
         > ack c
         > e a
         < e 1
         > ack e
         > e a b x
         < e 1
         > ack e
         > offer c/a=1 c/b=3 e/a=2 e/b=1
         < c 1 3
         < e 2 1
         > ack c
         > ack e
         = 2 c2 e2
         > offer c/c=4 e/a=2
         < c 4 1 3
         > ack c
         < c 4
         > ack c
         = 3 c3 e3
         > nack c late
         = - c3 e3",
    );
}

#[test]
fn a_world_stream_says_its_names_each_time() {
    world(
        "> offer l/a=1 l/b=2 c/a=1
         > l a x
         < l 1
         > ack l
         > offer l/a=1 l/b=3 c/a=1
         = 1 l2
         > l a b
         < l 1 3
         > ack l
         > l b
         > offer l/a=2 l/b=3 c/a=1
         = 2 l3
         > l
         > offer l/a=2 l/b=4 c/a=1
         > l *
         < l 2 4
         > c *
         < c 1",
    );
}

#[test]
fn a_world_stream_hears_of_everything_again_after_it_took_nothing() {
    world(
        "> offer l/a=1
         > l
         < l 1
         > ack l
         > offer l/a=1 l/b=bad
         < l 1 bad
         > nack l no
         = 2!no l1
         > offer l/a=1
         < l 1
         = 2!no l1
         > ack l
         = 3 l3",
    );
}
