//! The metrics of a state that is in PostgreSQL.

use std::collections::BTreeMap;

use super::page::{Page, signed};
use crate::store::{PostgresState, Replica, Replicas};

/// How PostgreSQL treats a replica.
const SYNC_STATES: [&str; 4] = ["sync", "quorum", "potential", "async"];

/// Adds the metrics of a node that has the lease.
pub(super) fn add(page: &Page, state: &PostgresState) -> prometheus::Result<()> {
    let PostgresState { lease_age, lease_lasts, replicas, standbys } = state;
    add_standby(page, false)?;
    page.seconds(
        "ldk_server_postgres_lease_age_seconds",
        "How long ago the lease was renewed.",
        *lease_age,
    )?;
    page.seconds(
        "ldk_server_postgres_lease_duration_seconds",
        "How long the lease lasts if it is not renewed.",
        *lease_lasts,
    )?;
    if let Some(standbys) = standbys {
        page.gauge(
            "ldk_server_postgres_standbys",
            "The nodes that wait and have read the last changes.",
            signed(*standbys),
        )?;
    }
    match replicas {
        Some(replicas) => add_replicas(page, replicas),
        None => Ok(()),
    }
}

/// Adds whether the node waits while another one has its state.
pub(super) fn add_standby(page: &Page, is_standby: bool) -> prometheus::Result<()> {
    page.gauge(
        "ldk_server_standby",
        "1 if the node waits while another one has its state, otherwise 0.",
        i64::from(is_standby),
    )
}

fn add_replicas(page: &Page, replicas: &Replicas) -> prometheus::Result<()> {
    page.gauge(
        "ldk_server_postgres_replicas_count",
        "The replicas that are connected to PostgreSQL.",
        signed(replicas.number),
    )?;
    page.gauge(
        "ldk_server_postgres_replicas_may_be_old",
        "1 if there are replicas and commits wait for none of them, otherwise 0.",
        i64::from(replicas.may_be_old()),
    )?;
    if replicas.visible.is_empty() && replicas.number > 0 {
        return Ok(());
    }
    let of_state = |state| {
        let replicas = replicas.visible.iter();
        signed(replicas.filter(|replica| replica.sync_state == state).count())
    };
    page.gauges(
        "ldk_server_postgres_replicas",
        "The replicas by whether commits wait for them.",
        "state",
        SYNC_STATES.map(|state| (state, of_state(state))),
    )?;
    // Several may have the same name.
    let mut lags = BTreeMap::<&str, u64>::new();
    for Replica { name, lag_bytes, .. } in &replicas.visible {
        if let Some(lag_bytes) = lag_bytes {
            let lag = lags.entry(name).or_default();
            *lag = (*lag).max(*lag_bytes);
        }
    }
    page.gauges(
        "ldk_server_postgres_replica_lag_bytes",
        "How much of what is committed a replica has not on its disk.",
        "replica",
        lags.into_iter().map(|(name, lag_bytes)| (name, signed(lag_bytes))),
    )
}

#[cfg(test)]
pub(super) mod testing {
    use std::time::Duration;

    use super::*;
    use crate::store::testing;

    /// What is told of a state that is in PostgreSQL with these replicas.
    pub(in crate::metrics) fn text(replicas: Option<Replicas>) -> String {
        let page = Page::default();
        let lease_lasts = Duration::from_secs(10);
        let standbys = replicas.as_ref().map(|_| 1);
        let lease_age = Duration::from_millis(2_500);
        let state = PostgresState { lease_age, lease_lasts, replicas, standbys };
        add(&page, &state).unwrap();
        for collector in testing::postgres_collectors() {
            page.counted(collector).unwrap();
        }
        page.text().unwrap()
    }

    /// Of these states, with these lags in bytes.
    pub(in crate::metrics) fn replicas(of: &[(&str, &str, u64)]) -> Replicas {
        let visible = of.iter().map(|(name, sync_state, lag_bytes)| Replica {
            name: (*name).to_owned(),
            sync_state: (*sync_state).to_owned(),
            lag_bytes: Some(*lag_bytes),
        });
        Replicas { number: of.len(), are_waited_for: true, visible: visible.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{replicas, text};
    use super::*;

    #[test]
    fn replicas_have_their_states_and_the_longest_lag_of_a_name() {
        let of = [("db2", "sync", 0), ("walreceiver", "async", 7), ("walreceiver", "async", 5)];
        let text = text(Some(replicas(&of)));
        for sample in [
            "standby 0",
            "postgres_lease_age_seconds 2.5",
            "postgres_lease_duration_seconds 10",
            "postgres_standbys 1",
            "postgres_replicas_count 3",
            "postgres_replicas_may_be_old 0",
            "postgres_replicas{state=\"sync\"} 1",
            "postgres_replicas{state=\"quorum\"} 0",
            "postgres_replicas{state=\"async\"} 2",
            "postgres_replica_lag_bytes{replica=\"db2\"} 0",
            "postgres_replica_lag_bytes{replica=\"walreceiver\"} 7",
            "postgres_commit_duration_seconds_count 0",
            "postgres_commit_retries_total 0",
        ] {
            assert!(
                text.contains(&format!("\nldk_server_{sample}\n")),
                "{sample} is not in {text}"
            );
        }
    }

    #[test]
    fn what_the_user_may_not_see_is_left_out() {
        let hidden = Replicas { number: 2, are_waited_for: false, visible: Vec::new() };
        let text = text(Some(hidden));
        assert!(text.contains("\nldk_server_postgres_replicas_may_be_old 1\n"), "{text}");
        assert!(!text.contains("ldk_server_postgres_replicas{"), "{text}");
        assert!(!text.contains("lag_bytes"), "{text}");
        let text = testing::text(None);
        assert!(!text.contains("replica") && !text.contains("standbys"), "nothing is known yet");
        assert!(!Replicas::default().may_be_old(), "there are none");
    }
}
