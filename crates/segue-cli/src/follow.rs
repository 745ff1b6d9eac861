//! Following: a run that goes on, shown as it goes, asked about, and cancelled by Ctrl-C.
//!
//! The run itself never waits for what is shown of it. What is known at the end is a fold of its events, the same that
//! were written or drawn.

use std::sync::Arc;
use std::time::Duration;

use segue::{
    Budget, Event, EventKind, Events, Heard, Listen, Live as Told, Plan, RunHandle, RunStatus, RunView,
};
use serde_json::Value as Json;

use crate::clock;
use crate::exit::Exit;
use crate::output::Output;
use crate::signals::Signals;
use crate::terminal::ask::{self, Keyboard};
use crate::terminal::live::Live;
use crate::terminal::writing::Writing;
use crate::terminal::{Screen, lines, report, tree};

/// Time between two frames: smooth to the eye, and nothing beside the work of a run.
const FRAME: Duration = Duration::from_millis(100);

/// A run to be followed.
pub(crate) struct Following<'a> {
    /// The run.
    pub(crate) run: RunHandle<Json>,
    /// Its plan.
    pub(crate) plan: Option<Arc<Plan>>,
    /// Its total.
    pub(crate) budget: Option<Budget>,
    /// Where progress goes.
    pub(crate) screen: Screen,
    /// Where each event goes, one line each.
    pub(crate) events: Option<&'a mut Output>,
    /// Who has heard what models write, where that is shown too.
    pub(crate) deltas: Option<Listen>,
    /// Whether a person is there who can be asked.
    pub(crate) may_ask: bool,
    /// Events up to this one are history: known, and not shown.
    pub(crate) from: u64,
    /// Whether a run that waits where the history ends still does.
    pub(crate) is_waiting: bool,
    /// What a command line about this run needs so that it means this store; none where no other one can.
    pub(crate) store_flag: Option<String>,
}

/// Where a run was left.
pub(crate) struct Followed {
    /// What is known of it.
    pub(crate) view: RunView,
    /// How the program should end.
    pub(crate) exit: Exit,
    /// Whether it was left before it had come to rest.
    pub(crate) left: bool,
}

/// What became of the questions of a run.
enum Asked {
    Answered,
    Nobody,
    Interrupted,
}

impl Following<'_> {
    /// Follows the run until it has ended, rests with nobody to ask, or is left by a second Ctrl-C.
    ///
    /// # Errors
    /// When the process cannot listen for signals.
    pub(crate) async fn follow(mut self) -> std::io::Result<Followed> {
        let mut view = RunView::new(self.plan.clone());
        let mut stream = match self.deltas.take() {
            Some(listen) => Stream::Live(Box::new(listen.follow(&self.run))),
            None => Stream::Events(self.run.events()),
        };
        let mut signals = Signals::listen()?;
        let mut interrupted = false;
        let mut keys = Keyboard::default();
        let mut picture = Picture {
            live: self.screen.is_live().then(Live::default),
            tick: 0,
            writing: Writing::default(),
        };
        let mut frames = tokio::time::interval(FRAME);
        let mut waits = false;
        // A run that has waited once may have been answered long ago.
        let history = self.run.view().last_seq();
        if self.from > 0 {
            self.open(&mut view, &mut stream).await;
            waits = self.is_waiting && view.status() == RunStatus::Waiting;
        }
        loop {
            if std::mem::take(&mut waits) {
                picture.draw(&view, self.screen);
                if !self.may_ask || interrupted {
                    break;
                }
                picture.leave();
                match self
                    .ask(&mut view, &mut stream, &mut signals, &mut keys, &mut picture)
                    .await
                {
                    Asked::Answered => {}
                    Asked::Nobody => break,
                    Asked::Interrupted => {
                        interrupted = true;
                        self.cancel(&view, &mut picture).await;
                    }
                }
            }
            tokio::select! {
                heard = stream.next() => {
                    let Some(heard) = heard else { break };
                    self.take(&heard, &mut view, &mut picture);
                    let Heard::Event(event) = heard else { continue };
                    waits = match event.seq == history {
                        true => view.status() == RunStatus::Waiting,
                        false => event.seq > history && matches!(event.kind, EventKind::RunWaiting { .. }),
                    };
                }
                () = signals.next() => {
                    if interrupted {
                        drop(picture);
                        return Ok(Followed { view, exit: Exit::Cancelled, left: true });
                    }
                    interrupted = true;
                    self.cancel(&view, &mut picture).await;
                }
                _ = frames.tick(), if picture.live.is_some() => picture.draw(&view, self.screen),
            }
        }
        picture.writing.end();
        self.write(&mut picture);
        picture.draw(&view, self.screen);
        picture.leave();
        let exit = Exit::of_run(&view);
        self.close(&view);
        Ok(Followed {
            view,
            exit,
            left: false,
        })
    }

    /// Takes what was heard and shows it.
    fn take(&mut self, heard: &Heard, view: &mut RunView, picture: &mut Picture) {
        match heard {
            Heard::Event(event) => {
                picture.writing.happened(&event.kind);
                // What was written before comes before.
                self.write(picture);
                self.happened(event, view, picture);
            }
            Heard::Delta(delta) => match &mut self.events {
                Some(events) => events.line(delta),
                None => {
                    picture
                        .writing
                        .hear(delta, Screen::size().map(|(_, columns)| columns));
                    self.write(picture);
                }
            },
        }
    }

    /// Prints lines of models that are full; a live tree has them above itself when it is drawn.
    fn write(&self, picture: &mut Picture) {
        if picture.live.is_none() {
            for line in picture.writing.take(self.screen.style()) {
                self.screen.line(&line);
            }
        }
    }

    /// Takes an event into the view and shows it.
    fn happened(&mut self, event: &Event, view: &mut RunView, picture: &mut Picture) {
        view.apply(event);
        if event.seq <= self.from {
            return;
        }
        if let Some(events) = &mut self.events {
            events.line(event);
        }
        let style = self.screen.style();
        if matches!(event.kind, EventKind::RunQueued { .. }) {
            self.screen
                .progress(&report::first(view, self.budget.as_ref(), style));
            if let Some(banner) = report::banner(view, style) {
                self.screen.progress(&banner);
            }
        } else if picture.live.is_none()
            && !self.screen.is_quiet()
            && let Some(line) = lines::line(event, view, style)
        {
            self.screen.line(&line);
        }
    }

    /// Asks every open question. Events go on being taken: a question may expire while somebody thinks.
    async fn ask(
        &mut self,
        view: &mut RunView,
        stream: &mut Stream,
        signals: &mut Signals,
        keys: &mut Keyboard,
        picture: &mut Picture,
    ) -> Asked {
        let screen = self.screen;
        loop {
            let next = view.open_questions().next().cloned();
            let Some(question) = next else { break };
            ask::show(&question, screen);
            let given = {
                let answer = ask::answer(&question, keys, screen);
                tokio::pin!(answer);
                loop {
                    tokio::select! {
                        given = &mut answer => break given,
                        heard = stream.next() => {
                            let Some(heard) = heard else { return Asked::Answered };
                            self.take(&heard, view, picture);
                            if view.open_questions().all(|open| open.id != question.id) {
                                screen.line("");
                                return Asked::Answered;
                            }
                        }
                        () = signals.next() => return Asked::Interrupted,
                    }
                }
            };
            let Some(given) = given else { return Asked::Nobody };
            if let Err(refused) = self.run.answer(question.id, given, "cli").await {
                screen.error(&refused.failure().message, &refused.failure().hints);
                continue;
            }
            // The answer is in the log now; the view learns it from there.
            while view.open_questions().any(|open| open.id == question.id) {
                let Some(heard) = stream.next().await else {
                    return Asked::Answered;
                };
                self.take(&heard, view, picture);
            }
        }
        screen.line("");
        Asked::Answered
    }

    /// What is known already of a run that is followed from the middle.
    async fn open(&mut self, view: &mut RunView, stream: &mut Stream) {
        let mut picture = Picture::default();
        while view.last_seq() < self.from {
            let Some(heard) = stream.next().await else { break };
            self.take(&heard, view, &mut picture);
        }
        let style = self.screen.style();
        self.screen
            .progress(&report::first(view, self.budget.as_ref(), style));
    }

    async fn cancel(&self, view: &RunView, picture: &mut Picture) {
        let cancelled = self.run.cancel("cli", Some("interrupted at the terminal")).await;
        if let Err(error) = &cancelled {
            picture.clear();
            let failure = error.failure();
            self.screen.error(&failure.message, &failure.hints);
        }
        if let Ok(true) = cancelled {
            picture.clear();
            self.screen.progress(
                &self
                    .screen
                    .style()
                    .magenta("cancelling; once more leaves at once"),
            );
            picture.draw(view, self.screen);
        }
    }

    /// What is said when the run has come to rest.
    fn close(&self, view: &RunView) {
        let screen = self.screen;
        if view.status() == RunStatus::Failed {
            screen.text(&report::failures(view, screen.style()));
        }
        if view.status() == RunStatus::Waiting {
            for question in view.open_questions() {
                ask::show(question, screen);
                ask::show_form(question, screen);
            }
            screen.line("");
        }
        screen.progress(&report::last(view, screen.style()));
        if view.status() == RunStatus::Succeeded {
            let flag = self.store_flag.as_deref().unwrap_or_default();
            if let Some(stale) = report::stale(view, flag, screen.style()) {
                screen.progress(&stale);
            }
        }
        if view.status() == RunStatus::Waiting {
            for question in view.open_questions() {
                let line = match &self.store_flag {
                    Some(flag) => ask::command(question, flag),
                    None => "run it at a terminal to be asked; a run in memory is gone with the program"
                        .to_owned(),
                };
                screen.line(&format!("{} {line}", screen.style().cyan("hint:")));
            }
        }
    }
}

/// What a run tells.
enum Stream {
    Events(Events),
    /// With what models write.
    Live(Box<Told>),
}

impl Stream {
    async fn next(&mut self) -> Option<Heard> {
        match self {
            Stream::Events(events) => events.next().await.map(Heard::Event),
            Stream::Live(live) => live.next().await,
        }
    }
}

/// The live tree, where there is one, and what models write.
#[derive(Default)]
struct Picture {
    live: Option<Live>,
    tick: usize,
    writing: Writing,
}

impl Picture {
    fn draw(&mut self, view: &RunView, screen: Screen) {
        let Some(live) = &mut self.live else { return };
        let Some((rows, columns)) = Screen::size() else {
            return;
        };
        self.tick = self.tick.wrapping_add(1);
        let style = screen.style();
        let mut lines = self.writing.open(rows / 3, columns, style);
        let frame = tree::Frame {
            now: clock::now(),
            tick: self.tick,
            rows: rows - lines.len(),
            columns,
        };
        lines.extend(tree::draw(view, frame, style));
        live.draw(&self.writing.take(style), &lines, columns);
    }

    fn clear(&mut self) {
        if let (Some(live), Some((_, columns))) = (&mut self.live, Screen::size()) {
            live.clear(columns);
        }
    }

    fn leave(&mut self) {
        if let Some(live) = &mut self.live {
            live.leave();
        }
    }
}
