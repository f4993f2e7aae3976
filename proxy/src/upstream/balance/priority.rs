//! How requests are shared between priorities: the first as long as enough of its endpoints are there, then the next.
//!
//! The arithmetic is Envoy's, with its overprovisioning: a priority takes all until fewer than 5 of 7 are left.

/// Percent that healthy endpoints may carry beyond their share.
pub(super) const OVERPROVISIONED: u64 = 140;

/// Endpoints of a priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Level {
    /// All of them.
    pub(super) all: u64,
    /// Those that may be used.
    pub(super) there: u64,
}

/// What a priority gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Percent of the requests.
    pub(super) percent: u64,
    /// So few are left that all are used.
    pub(super) panic: bool,
}

/// Shares of all priorities. Below `min_healthy` percent a priority panics, unless the others make up for it.
pub(super) fn loads(levels: &[Level], min_healthy: u32) -> Vec<Load> {
    let health = |level: &Level| match level.all {
        0 => 0,
        all => (level.there * OVERPROVISIONED / all).min(100),
    };
    let total = levels.iter().map(health).sum::<u64>().min(100);
    let panics = |level: &Level| {
        total < 100 && level.there * 100 < u64::from(min_healthy) * level.all && level.all > 0
    };
    let mut loads: Vec<Load> = levels.iter().map(|level| Load { percent: 0, panic: panics(level) }).collect();
    let filled = || levels.iter().zip(0..).filter(|(level, _)| level.all > 0);
    if filled().all(|(_, at)| loads[at].panic) {
        // Nobody makes up for anybody: by their size.
        let all: u64 = levels.iter().map(|level| level.all).sum();
        for (level, load) in levels.iter().zip(&mut loads) {
            load.percent = (level.all * 100).checked_div(all).unwrap_or(0);
        }
    } else {
        let mut left = 100;
        for (level, load) in levels.iter().zip(&mut loads) {
            load.percent = left.min((health(level) * 100).checked_div(total).unwrap_or(0));
            left -= load.percent;
        }
        // What rounding left over.
        if let Some(load) = loads.iter_mut().find(|load| load.percent > 0) {
            load.percent += left;
        }
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_tables() {
        let cases: &[(&[(u64, u64)], u32, &[u64], &[bool])] = &[
            (&[(10, 10)], 0, &[100], &[false]),
            (&[(10, 1)], 0, &[100], &[false]),
            (&[(10, 0)], 0, &[0], &[false]),
            (&[(10, 0)], 1, &[100], &[true]),
            (&[(10, 4)], 50, &[100], &[true]),
            // 72 % are enough to carry all: nobody panics.
            (&[(100, 72)], 90, &[100], &[false]),
            (&[(100, 71)], 90, &[100], &[true]),
            (&[(100, 72), (100, 100)], 0, &[100, 0], &[false; 2]),
            (&[(100, 71), (100, 71)], 0, &[99, 1], &[false; 2]),
            (&[(100, 50), (100, 50)], 0, &[70, 30], &[false; 2]),
            (&[(100, 25), (100, 100)], 0, &[35, 65], &[false; 2]),
            (&[(100, 0), (100, 100)], 0, &[0, 100], &[false; 2]),
            (&[(100, 25), (100, 25)], 0, &[50, 50], &[false; 2]),
            (&[(100, 5), (100, 65)], 50, &[8, 92], &[true, false]),
            (&[(30, 0), (10, 0)], 50, &[75, 25], &[true; 2]),
        ];
        for (levels, min_healthy, percents, panics) in cases {
            let levels: Vec<Level> = levels.iter().map(|&(all, there)| Level { all, there }).collect();
            let loads = loads(&levels, *min_healthy);
            let got: Vec<u64> = loads.iter().map(|load| load.percent).collect();
            let panicking: Vec<bool> = loads.iter().map(|load| load.panic).collect();
            assert_eq!((&got[..], &panicking[..]), (*percents, *panics), "{levels:?} {min_healthy}");
        }
    }
}
