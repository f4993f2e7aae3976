//! Files that say all that an Envoy does: Envoy takes them.

use xds::bootstrap;
use xds::node::Bind;

use crate::{envoy, worlds};

#[test]
fn envoy_takes_the_sample() {
    let Some(binary) = envoy::binary() else { return };
    let plans = worlds::plans(&worlds::sample());
    assert!(plans.len() > 5, "every workload and the gateway");
    for plan in plans {
        let config = bootstrap::fixed(&plan, &Bind::default(), None).unwrap();
        assert_eq!(envoy::refuses(&binary, &config), None, "{:?}\n{config:#}", plan.source);
    }
}
