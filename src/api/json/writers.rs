//! Several threads that write one answer, a part each in turn, ahead of who reads it.
//!
//! A writer goes on while there is room for what it has written, for to wake a thread for each
//! part costs a good part of what the part does. It waits without a thread, so that slow readers
//! hold none.

use super::{AnswerJson, Pieces};
use axum::body::Bytes;
use futures_util::{Stream, stream};
use std::io;
use std::vec::IntoIter;
use tokio::sync::mpsc::{OwnedPermit, Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

/// Parts of one answer that are written at the same time.
const WRITERS: usize = 2;

/// Room for the text of a part; most take less.
const PART_BYTES: usize = 384 << 10;

/// Parts that each of them is ahead of the reader, at most.
const AHEAD: usize = 2;

/// The texts of `parts`, in their order.
pub(super) fn written(
    parts: impl Iterator<Item = AnswerJson>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let mut shares: [Vec<AnswerJson>; WRITERS] = Default::default();
    let mut count = 0;
    for part in parts {
        shares[count % WRITERS].push(part);
        count += 1;
    }
    let receivers = shares.map(|share| {
        let (sender, receiver) = channel(AHEAD);
        if let Some(begun) = begin(share.into_iter(), sender) {
            tokio::spawn(go_on(begun));
        }
        receiver
    });
    stream::try_unfold((receivers, 0), move |state| next(state, count))
}

/// The writers, and how many parts have come from them.
type State = ([Receiver<Bytes>; WRITERS], usize);

async fn next((mut receivers, at): State, count: usize) -> io::Result<Option<(Bytes, State)>> {
    if at == count {
        return Ok(None);
    }
    match receivers[at % WRITERS].recv().await {
        Some(text) => Ok(Some((text, (receivers, at + 1)))),
        // An answer that ends too early must not look like a whole one.
        None => Err(io::Error::other("writing the answer failed")),
    }
}

/// What is left to write, and where to.
type Rest = (IntoIter<AnswerJson>, Sender<Bytes>);

/// Begins to write `parts`, for which there is room at first.
fn begin(parts: IntoIter<AnswerJson>, sender: Sender<Bytes>) -> Option<JoinHandle<Rest>> {
    let room = sender.try_reserve_owned().ok()?;
    Some(spawn_blocking(move || write_some(parts, room)))
}

/// Goes on with it until nobody reads any more.
async fn go_on(mut writing: JoinHandle<Rest>) {
    // A panic is what the reader learns of from its end of the channel.
    while let Ok((parts, sender)) = writing.await {
        if parts.as_slice().is_empty() {
            return;
        }
        let Ok(room) = sender.reserve_owned().await else {
            return;
        };
        writing = spawn_blocking(move || write_some(parts, room));
    }
}

/// Writes parts while there is room for them.
fn write_some(mut parts: IntoIter<AnswerJson>, mut room: OwnedPermit<Bytes>) -> Rest {
    loop {
        let Some(mut part) = parts.next() else {
            return (parts, room.release());
        };
        let mut out = Vec::with_capacity(PART_BYTES);
        part.fill(&mut out);
        let sender = room.send(Bytes::from(out));
        if parts.as_slice().is_empty() {
            return (parts, sender);
        }
        match sender.try_reserve_owned() {
            Ok(more) => room = more,
            Err(no_room) => return (parts, no_room.into_inner()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use series::{Answer, Labels, QueryResult, Series};

    fn answer(series: usize) -> AnswerJson {
        let one = |at: usize| Series {
            labels: Labels::new([("at", at.to_string())]).unwrap(),
            times: (0..5_000).map(|time| time * 1_000).collect(),
            values: (0..5_000).map(|row| (row * at) as f64).collect(),
        };
        AnswerJson::new(
            Answer::new(QueryResult::Matrix((0..series).map(one).collect())),
            None,
        )
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_parts_come_in_their_order() {
        for series in [1, 2, 3, 30] {
            let mut expected = Vec::new();
            for mut part in answer(series).into_parts() {
                part.fill(&mut expected);
            }
            let parts: Vec<_> = written(answer(series).into_parts()).collect().await;
            assert_eq!(parts.len(), series.div_ceil(2), "{series}");
            let text: Vec<u8> = parts.into_iter().flat_map(Result::unwrap).collect();
            assert!(text == expected, "{series}");
        }
    }

    #[tokio::test]
    async fn writers_wait_for_a_slow_reader_without_a_thread_and_stop_when_it_goes() {
        let parts: Vec<AnswerJson> = answer(40).into_parts().collect();
        let (sender, mut receiver) = channel(AHEAD);
        let writer = tokio::spawn(go_on(begin(parts.into_iter(), sender).unwrap()));
        while receiver.len() < AHEAD {
            tokio::task::yield_now().await;
        }
        assert!(!receiver.recv().await.unwrap().is_empty());
        drop(receiver);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_ends_too_early_is_an_error() {
        let receivers = [(); WRITERS].map(|()| channel(AHEAD).1);
        let error = next((receivers, 0), 1).await.err().unwrap();
        assert_eq!(error.to_string(), "writing the answer failed");
    }
}
