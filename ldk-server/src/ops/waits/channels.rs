//! Waiting for channels.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::{ChannelDetails, UserChannelId};
use ldk_server_grpc::types::ChannelProgress;

use super::{Waited, read, until};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::store::ChannelStep;

/// How far a channel has come, and the channel, if it has not ended.
pub type Latest = (ChannelStep, Option<ChannelDetails>);

/// Waits until a channel has come as far as is wanted, or has ended, or the time is over.
pub async fn channel(
    app: &Arc<App>,
    caller: &Caller,
    (id, wanted): (UserChannelId, ChannelProgress),
    timeout: Duration,
) -> Result<Waited<Latest>, Error> {
    let _place = app.waiting.try_enter()?;
    let deadline = until(caller, timeout);
    let ask = || async {
        let step = latest(app, id).await?;
        Ok::<_, Error>(Some(step).filter(|step| is_over(step, wanted)))
    };
    let over = app.store.channel_log().until(id, deadline, ask).await?;
    let step = match over {
        Some(step) => step,
        None => latest(app, id).await?,
    };
    let timed_out = !is_over(&step, wanted);
    let channel = match step.end {
        Some(_) => None,
        None => details(app, id).await?,
    };
    Ok(Waited { latest: (step, channel), timed_out })
}

/// Whether it has come as far as is wanted, or cannot any more.
fn is_over(step: &ChannelStep, wanted: ChannelProgress) -> bool {
    let has_come = match wanted {
        ChannelProgress::Pending => {
            matches!(step.progress, ChannelProgress::Pending | ChannelProgress::Ready)
        },
        wanted => step.progress == wanted,
    };
    has_come || step.end.is_some()
}

async fn latest(app: &Arc<App>, id: UserChannelId) -> Result<ChannelStep, Error> {
    if let Some(step) = app.store.channel_log().step(id) {
        return Ok(step);
    }
    let found = read(app, move |app| look_up(app, id)).await?;
    found.ok_or_else(|| Error::NotFound(format!("user_channel_id: there is no channel {}", id.0)))
}

/// A channel of which no event has told yet, or whose end is long past.
fn look_up(app: &App, id: UserChannelId) -> Result<Option<ChannelStep>, Error> {
    let log = app.store.channel_log();
    let found = match find(app, id) {
        Some(_) => Some(ChannelStep::open(ChannelProgress::Opening)),
        None => app.store.end_of_channel(id).map_err(Error::internal)?,
    };
    if let Some(found) = found {
        log.learn(id, found);
    }
    // An event may have told of it meanwhile.
    Ok(log.step(id))
}

async fn details(app: &Arc<App>, id: UserChannelId) -> Result<Option<ChannelDetails>, Error> {
    read(app, move |app| Ok(find(app, id))).await
}

fn find(app: &App, id: UserChannelId) -> Option<ChannelDetails> {
    ops::channels::list(app).into_iter().find(|channel| channel.user_channel_id == id)
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::events::ChannelStateChanged;

    use super::*;

    #[test]
    fn a_wait_is_over_when_the_channel_has_come_as_far_or_has_ended() {
        use ChannelProgress::{Closed, OpenFailed, Opening, Pending, Ready};
        for (progress, over_for) in [
            (Opening, [false, false, false]),
            (Pending, [true, false, false]),
            (Ready, [true, true, false]),
            (Closed, [true, true, true]),
            (OpenFailed, [true, true, true]),
        ] {
            let has_ended = matches!(progress, Closed | OpenFailed);
            let end = has_ended.then(|| Arc::new(ChannelStateChanged::default()));
            let step = ChannelStep { progress, end };
            assert_eq!([Pending, Ready, Closed].map(|wanted| is_over(&step, wanted)), over_for);
        }
    }
}
