//! Reading: an answer as it comes in, bounded in silence and in size, until its protocol says that it is over.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use segue::Failure;
use segue::model::Request;
use serde_json::Value as Json;
use tokio::time::timeout;

use crate::fault::Faults;
use crate::frames::{Frames, Garbled};
use crate::wire::{self, Broken, Draft, End, Reader};

/// Between two events that say something.
const IDLE: Duration = Duration::from_secs(60);
/// An answer has at most this many bytes for each of its tokens …
const BYTES_PER_TOKEN: usize = 8;
/// … where the tokens are so few that one long word is more …
const LEAST_BYTES: usize = 4 << 10;
/// … and never more than this.
const MOST_BYTES: usize = 10 << 20;
/// Around every few bytes of an answer comes JSON of this many times their length.
const FRAME: usize = 128;
/// The most bytes read of one answer, with everything around it.
const MOST_READ: usize = 64 << 20;

/// One answer while it is read.
pub(crate) struct Reading<'a> {
    faults: Faults<'a>,
    request: &'a Request,
    reader: Box<dyn Reader>,
    frames: Frames,
    /// What there is of it.
    pub(crate) draft: Draft,
    most_bytes: usize,
}

/// What a wait for the next event gave.
enum Next {
    /// Something was said.
    Said,
    /// The connection ended.
    Ended,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(faults: Faults<'a>, request: &'a Request) -> Self {
        let api = faults.provider.api;
        let tokens = request.settings.max_tokens.unwrap_or(u32::MAX) as usize;
        let most_bytes = tokens
            .saturating_mul(BYTES_PER_TOKEN)
            .clamp(LEAST_BYTES, MOST_BYTES);
        let most_read = most_bytes.saturating_mul(FRAME).min(MOST_READ);
        Self {
            faults,
            request,
            reader: wire::reader(api),
            frames: Frames::new(wire::framing(api), most_read),
            draft: Draft::default(),
            most_bytes,
        }
    }

    /// Reads until the answer says that it is over.
    ///
    /// # Errors
    /// When it never does, or what comes is none.
    pub(crate) async fn until_over<S, E>(&mut self, mut body: S) -> Result<(), Failure>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        loop {
            match timeout(IDLE, self.next(&mut body)).await {
                Err(_) => return Err(self.faults.silent("idle", IDLE, "said nothing more")),
                Ok(next) => match next? {
                    Next::Said if self.draft.end == End::Over => {
                        // Usually the end is there already, and the connection can be used again.
                        let _ = body.next().now_or_never();
                        return Ok(());
                    }
                    Next::Said => {}
                    Next::Ended if self.draft.end == End::Possible => return Ok(()),
                    Next::Ended => return Err(self.cut_off()),
                },
            }
        }
    }

    /// Reads an answer that comes as one object, from a server that does not send events.
    ///
    /// # Errors
    /// As [`Reading::until_over`].
    pub(crate) async fn whole<S, E>(&mut self, mut body: S) -> Result<(), Failure>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let mut bytes = Vec::new();
        loop {
            match timeout(IDLE, body.next()).await {
                Err(_) => return Err(self.faults.silent("idle", IDLE, "said nothing more")),
                Ok(None) => break,
                Ok(Some(Err(_))) => {
                    return Err(self
                        .faults
                        .no_answer("broke off in its answer", &String::from_utf8_lossy(&bytes)));
                }
                Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
            }
            if bytes.len() > self.most_bytes.saturating_mul(FRAME).min(MOST_READ) {
                return Err(endless(&self.faults, bytes.len()));
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let Ok(answer) = serde_json::from_slice::<Json>(&bytes) else {
            return Err(self.faults.no_answer("sent no answer", &text));
        };
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            return Err(self.faults.broken(&Broken::Error(error.clone())));
        }
        let events = wire::events_of(self.faults.provider.api, &answer);
        let events = events.ok_or_else(|| self.faults.no_answer("sent no answer", &text))?;
        self.take(events)
    }

    /// Waits until something is said. Comments and empty events are nothing.
    async fn next<S, E>(&mut self, body: &mut S) -> Result<Next, Failure>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let before = self.draft.mark();
        while self.draft.mark() == before {
            match body.next().await {
                None => return Ok(Next::Ended),
                Some(Ok(bytes)) => self.read(&bytes)?,
                // Whatever it was, an answer that breaks off is a broken reply, and worth another try.
                Some(Err(_)) => return Err(self.cut_off()),
            }
        }
        Ok(Next::Said)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let faults = &self.faults;
        let events = self.frames.push(bytes).map_err(|garbled| match garbled {
            Garbled::NotText => faults.no_answer("sent bytes that are not UTF-8", &self.frames.head()),
            Garbled::TooMany(most) => endless(faults, most),
        })?;
        self.take(events)
    }

    fn take(&mut self, events: Vec<String>) -> Result<(), Failure> {
        let faults = &self.faults;
        for event in events {
            if self.draft.end == End::Over {
                break;
            }
            let heard = (self.draft.text.len(), self.draft.bytes());
            self.reader
                .take(&mut self.draft, &event)
                .map_err(|broken| faults.broken(&broken))?;
            if self.draft.bytes() > self.most_bytes {
                return Err(endless(faults, self.most_bytes));
            }
            if self.draft.bytes() > heard.1 {
                // The last event of some protocols says everything again; that is no news.
                let piece = self.draft.text.get(heard.0..).unwrap_or_default();
                self.request.listener.hears(piece);
            }
        }
        Ok(())
    }

    /// The connection ended and the answer had not.
    fn cut_off(&self) -> Failure {
        let faults = &self.faults;
        if self.draft.bytes() == 0 && self.draft.end == End::Open {
            let head = self.frames.head();
            if let Ok(json) = serde_json::from_str::<Json>(&head)
                && let Some(error) = json.get("error").filter(|error| !error.is_null())
            {
                return faults.broken(&Broken::Error(error.clone()));
            }
            return faults.no_answer("sent no answer", &head);
        }
        let bytes = self.draft.bytes();
        faults.no_answer(
            &format!("broke off after {bytes} bytes of its answer"),
            &self.draft.text,
        )
    }
}

fn endless(faults: &Faults<'_>, most: usize) -> Failure {
    let did = format!("did not stop: more than {most} bytes came, beyond any answer of its most tokens");
    faults.broken(&Broken::Reply(did))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use segue::model::{From, Listener, Message, Role};
    use segue::plan::ModelSettings;
    use segue::{ErrorKind, secs};

    use super::*;
    use crate::provider::{Api, Provider};

    fn request(max_tokens: u32) -> Request {
        Request {
            messages: vec![Message::new(Role::User, "Hello?")],
            output: None,
            tools: Vec::new(),
            settings: ModelSettings {
                max_tokens: Some(max_tokens),
                ..ModelSettings::default()
            },
            idempotency_key: String::new(),
            from: From::default(),
            listener: Listener::default(),
        }
    }

    /// What comes of these pieces, each after a pause; how many of them were read, and how long that took.
    async fn read(
        max_tokens: u32,
        pause: Duration,
        pieces: impl Iterator<Item = String> + Send,
    ) -> (Result<String, Failure>, usize, Duration) {
        let provider = Provider::new("p", Api::Chat, "http://127.0.0.1:1/v1".parse().unwrap());
        let request = request(max_tokens);
        let faults = Faults {
            name: "p/m",
            provider: &provider,
        };
        let mut reading = Reading::new(faults, &request);
        let mut pieces = pieces.peekable();
        let (mut count, began) = (0, now());
        let body = stream::poll_fn({
            let count = &mut count;
            let mut wait = Box::pin(tokio::time::sleep(pause));
            move |cx| {
                std::task::ready!(wait.as_mut().poll(cx));
                wait = Box::pin(tokio::time::sleep(pause));
                *count += 1;
                std::task::Poll::Ready(pieces.next().map(|piece| Ok::<_, ()>(Bytes::from(piece))))
            }
        });
        let ended = reading.until_over(body).await;
        (ended.map(|()| reading.draft.text), count, now() - began)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of a paused runtime is what is measured"
    )]
    fn now() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    fn says(text: &str) -> String {
        format!("data: {{\"choices\": [{{\"delta\": {{\"content\": \"{text}\"}}}}]}}\n\n")
    }

    #[tokio::test(start_paused = true)]
    async fn comments_and_empty_events_are_no_signs_of_life() {
        let nothing = [": keep-alive\n\n", "data: {\"choices\": []}\n\n", "\n"];
        let pieces = std::iter::once(says("a")).chain(nothing.into_iter().cycle().map(str::to_owned));
        let (ended, count, took) = read(100, secs(10), pieces).await;
        let failure = ended.unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (ErrorKind::Timeout, true));
        let limit = failure.limit.unwrap();
        assert_eq!((limit.name.as_str(), limit.limit.as_str()), ("idle", "60000"));
        assert_eq!(
            (count, took),
            (7, secs(70)),
            "one that speaks, six that do not, and no more"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_that_says_something_now_and_then_is_read_to_its_end() {
        let words = ["a", "b", "c", "d"].map(says).into_iter();
        let pieces = words.chain(["data: [DONE]\n\n".to_owned()]);
        let (ended, _, took) = read(100, secs(59), pieces).await;
        assert_eq!((ended.unwrap().as_str(), took), ("abcd", secs(5 * 59)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_ends_is_cut_by_its_most_tokens() {
        for (max_tokens, most) in [(10, LEAST_BYTES), (10_000, 80_000), (u32::MAX, MOST_BYTES)] {
            let long = "x".repeat(1000);
            let (ended, count, _) = read(max_tokens, secs(0), std::iter::repeat_with(|| says(&long))).await;
            let failure = ended.unwrap_err();
            assert_eq!((failure.kind, failure.retryable), (ErrorKind::Provider, true));
            assert!(
                failure.message.contains(&format!("more than {most} bytes")),
                "{failure}"
            );
            assert_eq!(count, most / 1000 + 1);
        }
        // Also when nothing of it is an answer.
        let (ended, ..) = read(10, secs(0), std::iter::repeat_with(|| ": nothing\n".repeat(1000))).await;
        let failure = ended.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Provider);
        assert!(failure.message.contains("did not stop"), "{failure}");
    }
}
