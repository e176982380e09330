//! The records of a recorder: open work on each thread, and finished work. The calling thread identifies the thread. Knows no events.

use std::collections::{HashMap, VecDeque};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant, SystemTime};

use super::recorder::Keep;
use super::{Bar, Span, Timeline, Turn, WorkKind, WorkOutcome};
use crate::event::Stage;
use crate::report::{Status, UnitReport};

#[derive(Debug)]
pub(super) struct Notes {
    began: Instant,
    began_at: SystemTime,
    compiler: String,
    lanes: Vec<LaneOf>,
    /// The innermost last.
    open: HashMap<ThreadId, Vec<Open>>,
    closed: VecDeque<Bar>,
    dropped: u64,
    /// Units that have left their thread and have no outcome yet, with their indices among all bars.
    unsettled: HashMap<String, VecDeque<u64>>,
}

/// The owner of a lane. A compaction runs beside units, and so has its own lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LaneOf {
    thread: ThreadId,
    compacts: bool,
}

/// A bar that has not ended.
#[derive(Clone, Debug)]
struct Open {
    bar: Bar,
    turn: Turn,
    /// Stages that have not ended, the innermost last.
    stages: Vec<Stage>,
    /// The start of the innermost stage's uncounted time.
    since: Duration,
}

impl Open {
    /// Adds the innermost stage's time until now.
    fn count(&mut self, now: Duration) {
        let since = std::mem::replace(&mut self.since, now);
        if let Some(&stage) = self.stages.last().filter(|_| now > since) {
            self.turn.stages.push(Span { stage, start: since, end: now });
        }
    }

    fn ended(mut self, now: Duration, outcome: WorkOutcome, note: String) -> Bar {
        self.count(now);
        Bar { outcome, note, turn: Some(Turn { end: now, ..self.turn }), ..self.bar }
    }
}

impl Notes {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            began_at: SystemTime::now(),
            compiler: String::new(),
            lanes: Vec::new(),
            open: HashMap::new(),
            closed: VecDeque::new(),
            dropped: 0,
            unsettled: HashMap::new(),
        }
    }

    pub(super) fn restart(&mut self) {
        let compiler = std::mem::take(&mut self.compiler);
        *self = Self { compiler, ..Self::new() };
    }

    fn lane(&mut self, kind: WorkKind) -> usize {
        let lane = LaneOf { thread: thread::current().id(), compacts: kind == WorkKind::Compaction };
        self.lanes.iter().position(|other| *other == lane).unwrap_or_else(|| {
            self.lanes.push(lane);
            self.lanes.len() - 1
        })
    }

    /// Returns the open work of this thread, the innermost last.
    fn open_here(&mut self) -> &mut Vec<Open> {
        self.open.entry(thread::current().id()).or_default()
    }

    pub(super) fn begin(&mut self, kind: WorkKind, name: String, queued: Option<Duration>) {
        let now = self.began.elapsed();
        self.begin_at(kind, name, queued, now);
    }

    fn begin_at(&mut self, kind: WorkKind, name: String, queued: Option<Duration>, start: Duration) {
        let turn = Turn { lane: self.lane(kind), start, end: start, stages: Vec::new() };
        let bar = Bar { kind, name, outcome: WorkOutcome::Running, note: String::new(), queued, turn: None };
        self.open_here().push(Open { bar, turn, stages: Vec::new(), since: start });
    }

    /// Ends the innermost piece of work on this thread.
    pub(super) fn end_last(&mut self, outcome: WorkOutcome, note: String) {
        if let Some(open) = self.open_here().pop() {
            self.close(open, outcome, note);
        }
    }

    /// Ends the work of this name on this thread. False if there is none.
    pub(super) fn end(&mut self, name: &str, outcome: WorkOutcome, note: String) -> bool {
        let here = self.open_here();
        let Some(at) = here.iter().rposition(|open| open.bar.name == name) else { return false };
        let open = here.remove(at);
        self.close(open, outcome, note);
        true
    }

    fn close(&mut self, open: Open, outcome: WorkOutcome, note: String) {
        let now = self.began.elapsed();
        self.closed.push_back(open.ended(now, outcome, note));
    }

    pub(super) fn stage_began(&mut self, stage: Stage) {
        let now = self.began.elapsed();
        if let Some(open) = self.open_here().last_mut() {
            open.count(now);
            open.stages.push(stage);
        }
    }

    pub(super) fn stage_ended(&mut self, stage: Stage) {
        let now = self.began.elapsed();
        if let Some(open) = self.open_here().last_mut().filter(|open| open.stages.last() == Some(&stage)) {
            open.count(now);
            open.stages.pop();
        }
    }

    /// Records that the compiler was found, the first piece of work.
    pub(super) fn found(&mut self, family: String, compiler: String) {
        self.compiler = compiler;
        self.begin_at(WorkKind::Discovery, family, None, Duration::ZERO);
        self.end_last(WorkOutcome::Of(Status::Built), String::new());
    }

    pub(super) fn header_ready(&mut self, file: &str) {
        self.end_last(WorkOutcome::Of(Status::Built), file.to_owned());
    }

    pub(super) fn header_reused(&mut self, file: &str, took: Duration) {
        let start = self.began.elapsed().saturating_sub(took);
        self.begin_at(WorkKind::Header, file.to_owned(), None, start);
        self.end_last(WorkOutcome::Of(Status::Reused), String::new());
    }

    /// Records that a unit has left its thread; its outcome follows later.
    pub(super) fn compiled(&mut self, unit: &str) {
        if self.end(unit, WorkOutcome::Of(Status::Built), String::new()) {
            let number = self.dropped + self.closed.len() as u64 - 1;
            self.unsettled.entry(unit.to_owned()).or_default().push_back(number);
        }
    }

    /// Records the outcome of a unit, which may have left its thread before, or never started.
    pub(super) fn finished(&mut self, report: &UnitReport) {
        let outcome = WorkOutcome::Of(report.status);
        let note = report.error.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(number) = self.unsettled.get_mut(&report.unit).and_then(VecDeque::pop_front) {
            let at = number.checked_sub(self.dropped).and_then(|at| usize::try_from(at).ok());
            if let Some(bar) = at.and_then(|at| self.closed.get_mut(at)) {
                (bar.outcome, bar.note) = (outcome, note);
            }
        } else if !self.end(&report.unit, outcome, note.clone()) {
            let name = report.unit.clone();
            self.closed.push_back(Bar { kind: WorkKind::Unit, name, outcome, note, queued: None, turn: None });
        }
    }

    pub(super) fn drop_oldest(&mut self, keep: Keep) {
        let Keep::Latest(most) = keep else { return };
        while self.closed.len() > most {
            self.closed.pop_front();
            self.dropped += 1;
        }
    }

    pub(super) fn timeline(&self) -> Timeline {
        let now = self.began.elapsed();
        let mut bars: Vec<Bar> = self.closed.iter().cloned().collect();
        let open = self.open.values().flatten().cloned();
        bars.extend(open.map(|open| open.ended(now, WorkOutcome::Running, String::new())));
        Timeline {
            began: self.began_at,
            took: now,
            compiler: self.compiler.clone(),
            lanes: lane_names(&self.lanes),
            bars,
            dropped: self.dropped,
        }
    }
}

/// Numbers the lanes of each kind in the order of their creation.
fn lane_names(lanes: &[LaneOf]) -> Vec<String> {
    let mut counts = [0, 0];
    let name = |lane: &LaneOf| {
        let count = &mut counts[usize::from(lane.compacts)];
        *count += 1;
        match (lane.compacts, *count) {
            (false, number) => format!("thread {number}"),
            (true, 1) => "compaction".to_owned(),
            (true, number) => format!("compaction {number}"),
        }
    };
    lanes.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(bar: &Bar) -> Vec<Stage> {
        bar.turn.as_ref().unwrap().stages.iter().map(|span| span.stage).collect()
    }

    fn wait_a_moment() {
        thread::sleep(Duration::from_millis(1));
    }

    #[test]
    fn a_stage_within_another_is_not_counted_twice() {
        let mut notes = Notes::new();
        notes.begin(WorkKind::Unit, "u".into(), None);
        for stage in [Stage::Compile, Stage::Wait] {
            notes.stage_began(stage);
            wait_a_moment();
        }
        notes.stage_ended(Stage::Wait);
        wait_a_moment();
        notes.stage_ended(Stage::Compile);
        wait_a_moment();
        notes.end_last(WorkOutcome::Dropped, String::new());
        let timeline = notes.timeline();
        assert_eq!(spans(&timeline.bars[0]), [Stage::Compile, Stage::Wait, Stage::Compile]);
        let turn = timeline.bars[0].turn.as_ref().unwrap();
        assert!(turn.stages.windows(2).all(|two| two[0].end <= two[1].start), "{turn:?}");
        assert!(turn.stages[2].end < turn.end, "{turn:?}");
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many_and_their_outcomes_hit_nobody_else() {
        let mut notes = Notes::new();
        let report = |unit: &str, status| UnitReport {
            unit: unit.to_owned(),
            status,
            library: None,
            symbols: Vec::new(),
            timings: crate::report::Timings::default(),
            error: None,
            cached: false,
        };
        for unit in ["a", "b", "c"] {
            notes.begin(WorkKind::Unit, unit.into(), None);
            notes.compiled(unit);
        }
        notes.drop_oldest(Keep::Latest(2));
        notes.finished(&report("a", Status::Failed));
        notes.finished(&report("c", Status::Reused));
        let Timeline { bars, dropped, .. } = notes.timeline();
        let outcomes: Vec<_> = bars.iter().map(|bar| (bar.name.as_str(), bar.outcome)).collect();
        assert_eq!(outcomes, [("b", WorkOutcome::Of(Status::Built)), ("c", WorkOutcome::Of(Status::Reused))]);
        assert_eq!(dropped, 1);
    }

    #[test]
    fn a_compaction_has_a_lane_of_its_own_beside_its_thread_s() {
        let mut notes = Notes::new();
        notes.begin(WorkKind::Compaction, "2 units".into(), None);
        notes.begin(WorkKind::Unit, "u".into(), None);
        notes.end_last(WorkOutcome::Dropped, String::new());
        notes.end_last(WorkOutcome::Dropped, String::new());
        let Timeline { lanes, bars, .. } = notes.timeline();
        assert_eq!(lanes, ["compaction", "thread 1"]);
        let lane = |name: &str| bars.iter().find(|bar| bar.name == name).unwrap().turn.as_ref().unwrap().lane;
        assert_eq!((lane("2 units"), lane("u")), (0, 1));
    }
}
