//! Keyed workspaces: the guide of the strategist, step by step, and what several people do at once.

use std::path::Path;
use std::sync::Arc;

use segue::store::Store;
use segue::view::{WorkspaceState, WorkspaceStatus};
use segue::{ErrorKind, Outcome, Pipeline, Registry, Runner, StepStatus, Workspace};
use serde_json::{Value as Json, json};

use crate::support::{Counting, bury_all, memory, output, rests, with_model_as};

fn strategist() -> Pipeline<Json, Json> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/strategist.yaml");
    let loaded = segue::file::load(&file, &Registry::new(), Default::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"));
    Pipeline::from_plan(&loaded.plan, &Registry::new()).expect("it links")
}

fn brief() -> Json {
    json!({"product": "Repair kits", "goal": "200 orders a month", "audience": null})
}

/// A process, its model, and the workspace `exp-7`.
struct Scene {
    store: Arc<dyn Store>,
    model: Counting,
    runner: Runner,
    pipeline: Pipeline<Json, Json>,
}

impl Scene {
    fn new() -> Self {
        Self::on(memory(), Counting::default())
    }

    fn on(store: Arc<dyn Store>, model: Counting) -> Self {
        let runner = with_model_as(model.clone())
            .store_in(store.clone())
            .build()
            .expect("a runner");
        let pipeline = strategist();
        Self {
            store,
            model,
            runner,
            pipeline,
        }
    }

    fn workspace(&self, key: &str) -> Workspace {
        self.runner.workspace(&self.pipeline, key).expect("a workspace")
    }

    async fn all(&self, key: &str) -> Json {
        let run = self.runner.start(&self.pipeline, json!({"brief": brief()}));
        let run = run.key(key).all().model("openai/small").await.expect("it starts");
        output(&run).await
    }

    async fn status(&self, key: &str) -> WorkspaceStatus {
        self.workspace(key).status().await.expect("a store")
    }
}

fn stale(status: &WorkspaceStatus) -> Vec<&str> {
    let stale = status.steps.iter().filter(|step| step.stale);
    stale.map(|step| step.name.as_str()).collect()
}

fn states(status: &WorkspaceStatus) -> Vec<WorkspaceState> {
    status.steps.iter().map(|step| step.state).collect()
}

#[tokio::test(start_paused = true)]
async fn steps_run_on_request_and_say_what_is_missing_before_any_call() {
    let scene = Scene::new();
    let refused = scene.runner.start(&scene.pipeline, json!({})).key("exp-7").await;
    let refused = refused.err().expect("nobody said what runs");
    assert_eq!(refused.kind(), ErrorKind::Usage);
    assert!(refused.to_string().contains("--step"), "{refused}");

    let only = |step: &str| {
        let start = scene.runner.start(&scene.pipeline, json!({}));
        start.key("exp-7").model("openai/small").only(step)
    };
    let refused = only("metrics").await.err().expect("two are missing");
    assert_eq!(refused.kind(), ErrorKind::MissingPrerequisites);
    assert_eq!(refused.failure().missing, ["input", "diagnostic"]);
    let refused = only("tactics").await.err().expect("five are missing");
    assert_eq!(
        refused.failure().missing,
        ["input", "diagnostic", "segment", "channels", "messaging"]
    );
    assert_eq!(scene.model.sent(), 0);

    let refused = only("tatics").await.err().expect("there is no such step");
    assert!(
        refused.to_string().contains("did you mean `tactics`"),
        "{refused}"
    );

    // A person fills in the first one; its run rests until then.
    let run = only("input").await.expect("it starts");
    let question = rests(&run).await;
    assert_eq!(question.title, "What is the experiment about?");
    assert_eq!(
        scene.status("exp-7").await.steps[0].state,
        WorkspaceState::Waiting
    );
    let twice = only("input").await.err().expect("it is being run");
    assert_eq!(twice.kind(), ErrorKind::Conflict);
    assert!(twice.to_string().contains(&run.id().to_string()), "{twice}");
    scene.runner.answer(question.id, brief()).await.expect("it fits");
    assert_eq!(output(&run).await, brief(), "a run of one step gives its output");

    let run = only("diagnostic").await.expect("what it needs is there");
    assert_eq!(output(&run).await, "diagnostic 1");
    let view = run.view();
    assert_eq!(
        view.step("input").map(|step| step.status),
        Some(StepStatus::Succeeded)
    );
    assert!(view.step("input").is_some_and(|step| step.reused_from.is_some()));
    assert_eq!(
        view.step("tactics").map(|step| step.status),
        Some(StepStatus::Skipped)
    );
    let status = scene.status("exp-7").await;
    assert_eq!((status.done, status.total, status.all_done), (2, 7, false));
    assert_eq!(status.next, ["metrics"]);
    use WorkspaceState::{Done, Next, Pending};
    assert_eq!(
        states(&status),
        [Done, Done, Next, Pending, Pending, Pending, Pending]
    );
    assert_eq!(status.steps[3].missing, ["metrics"]);
    assert_eq!(status.steps[6].missing, ["segment", "channels", "messaging"]);
}

#[tokio::test(start_paused = true)]
async fn all_goes_on_where_it_stopped_and_results_never_mix_between_keys() {
    let scene = Scene::new();
    let first = scene.runner.start(&scene.pipeline, json!({"brief": brief()}));
    let first = first
        .key("exp-7")
        .model("openai/small")
        .only("input")
        .await
        .expect("it starts");
    output(&first).await;
    assert_eq!(scene.model.sent(), 0);
    assert_eq!(scene.all("exp-7").await, "tactics 6");
    assert_eq!(scene.model.sent(), 6);
    let status = scene.status("exp-7").await;
    assert!(status.all_done && status.next.is_empty() && stale(&status).is_empty());
    assert_eq!(
        scene.all("exp-7").await,
        "tactics 6",
        "there is nothing left to do"
    );
    assert_eq!(scene.model.sent(), 6);

    let other = scene.status("exp-8").await;
    assert_eq!(
        (other.done, other.next.as_slice()),
        (0, &["input".to_owned()][..])
    );
    assert_eq!(scene.all("exp-8").await, "tactics 12");
    assert_eq!(
        scene
            .workspace("exp-7")
            .document("tactics")
            .await
            .expect("it is there")
            .value,
        "tactics 6"
    );
    let prompts = scene.model.told();
    let messaging = prompts
        .iter()
        .find(|(agent, _)| agent == "messaging")
        .expect("it was asked");
    assert!(
        messaging.1.contains("## Segment\nsegment") && !messaging.1.contains("## Metrics"),
        "{}",
        messaging.1
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_runs_again_makes_exactly_its_descendants_stale_and_stale_ones_are_mended() {
    let scene = Scene::new();
    scene.all("exp-7").await;
    let workspace = scene.workspace("exp-7");
    let again = || workspace.rerun().only("segment").note("Focus on small companies");
    let preview = again().preview().await.expect("it can be told");
    assert_eq!(preview.runs, ["segment"]);
    assert_eq!(
        preview.reuses,
        [
            "input",
            "diagnostic",
            "metrics",
            "channels",
            "messaging",
            "tactics"
        ]
    );
    assert!(preview.cost.is_some_and(|cost| !cost.is_zero()) && preview.unknown.is_empty());
    assert_eq!(scene.model.sent(), 6, "a preview pays nothing");

    let run = again().await.expect("it starts");
    output(&run).await;
    assert_eq!(scene.model.sent(), 7);
    let (_, prompt) = scene.model.told().pop().expect("it was asked");
    let (context, words) = prompt
        .split_once("## Additional instructions\nFocus on small companies")
        .expect("it is told");
    assert!(
        context.contains("## Metrics") && words.contains("## Present result\nsegment"),
        "{prompt}"
    );
    assert_eq!(run.view().record().stale_steps, ["messaging", "tactics"]);
    let status = scene.status("exp-7").await;
    assert_eq!(stale(&status), ["messaging", "tactics"]);
    assert_eq!(status.steps[5].stale_because, ["segment"]);
    assert!(status.all_done, "stale is done");

    // Everything but what the diagnosis is made from follows from it.
    let diagnostic = scene
        .workspace("exp-7")
        .rerun()
        .only("diagnostic")
        .await
        .expect("it starts");
    output(&diagnostic).await;
    let after = scene.status("exp-7").await;
    assert_eq!(
        stale(&after),
        ["metrics", "segment", "channels", "messaging", "tactics"]
    );

    let sent = scene.model.sent();
    let mended = scene.workspace("exp-7").rerun().stale().await.expect("it starts");
    output(&mended).await;
    assert_eq!(scene.model.sent(), sent + 5);
    assert!(stale(&scene.status("exp-7").await).is_empty());
    let nothing = scene
        .workspace("exp-7")
        .rerun()
        .stale()
        .await
        .err()
        .expect("nothing is stale");
    assert_eq!(nothing.kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn an_equal_result_makes_nothing_stale_and_mending_stops_where_nothing_changes() {
    let scene = Scene::new();
    scene.all("exp-7").await;
    scene.model.say("segment", "segment 3");
    let again = scene
        .workspace("exp-7")
        .rerun()
        .only("segment")
        .await
        .expect("it starts");
    output(&again).await;
    assert!(
        stale(&scene.status("exp-7").await).is_empty(),
        "equal content changes nothing"
    );

    let edited = scene
        .workspace("exp-7")
        .rerun()
        .only("diagnostic")
        .await
        .expect("it starts");
    output(&edited).await;
    // The metrics come out as they were: of what is stale, what was made only from them is taken over.
    scene.model.say("metrics", "metrics 2");
    let sent = scene.model.sent();
    let mended = scene.workspace("exp-7").rerun().stale().await.expect("it starts");
    output(&mended).await;
    assert!(stale(&scene.status("exp-7").await).is_empty());
    assert_eq!(
        scene.model.sent(),
        sent + 5,
        "each of them reads the diagnosis too"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_edits_of_a_result_one_wins_and_the_other_hears_of_it() {
    let scene = Scene::new();
    scene.all("exp-7").await;
    let workspace = scene.workspace("exp-7");
    let before = workspace.document("segment").await.expect("it is there");
    let hash = before.hash.clone();
    let (mine, yours) = tokio::join!(
        workspace.put("segment", "mine", hash.as_deref()),
        workspace.put("segment", "yours", hash.as_deref()),
    );
    let (won, lost) = match (mine, yours) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("one of them wins: {both:?}"),
    };
    assert_eq!(lost.kind(), ErrorKind::Conflict);
    let now = workspace.document("segment").await.expect("it is there");
    assert_eq!((&now.value, &now.hash, now.edited), (&won.value, &won.hash, true));
    assert!(
        lost.to_string().contains(now.hash.as_deref().expect("a hash")),
        "{lost}"
    );
    assert_eq!(stale(&scene.status("exp-7").await), ["messaging", "tactics"]);
    assert_eq!(scene.model.sent(), 6, "an edit calls nobody");

    let unseen = workspace
        .put("segment", "blind", None)
        .await
        .expect_err("there is a result");
    assert_eq!(unseen.kind(), ErrorKind::Conflict);
    let written = scene
        .workspace("exp-9")
        .put("input", brief(), None)
        .await
        .expect("there is none");
    assert_eq!(written.value, brief());
    assert_eq!(scene.status("exp-9").await.next, ["diagnostic"]);
    let wrong = workspace
        .put("input", json!({"product": 1}), None)
        .await
        .expect_err("it does not fit");
    assert_eq!(wrong.kind(), ErrorKind::SchemaMismatch);
}

#[tokio::test(start_paused = true)]
async fn an_edited_output_makes_no_model_call_for_its_step() {
    let scene = Scene::new();
    scene.all("exp-7").await;
    let edited = scene
        .workspace("exp-7")
        .rerun()
        .set_output("segment", "Repair shops.");
    let run = edited.await.expect("it starts");
    output(&run).await;
    assert_eq!(scene.model.sent(), 8, "messaging and tactics, and nothing else");
    let view = run.view();
    let segment = view.step("segment").expect("it is there");
    let output_of = segment
        .output
        .as_ref()
        .map(|output| output.to_json().expect("it is text"));
    assert!(segment.edited && *output_of.expect("it is there") == json!("Repair shops."));
    let messaging = scene.model.told()[6].clone();
    assert!(
        messaging.1.contains("## Segment\nRepair shops."),
        "{}",
        messaging.1
    );
    assert!(stale(&scene.status("exp-7").await).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_text_about_an_error_is_a_result_and_an_empty_one_is_none() {
    let scene = Scene::new();
    scene.all("exp-7").await;
    let workspace = scene.workspace("exp-7");
    let hash = async |step: &str| workspace.document(step).await.expect("it is there").hash;
    workspace
        .put("metrics", "error: none found", hash("metrics").await.as_deref())
        .await
        .expect("it fits");
    let again = scene
        .workspace("exp-7")
        .rerun()
        .only("segment")
        .await
        .expect("nothing is missing");
    output(&again).await;
    workspace
        .put("metrics", "  \n", hash("metrics").await.as_deref())
        .await
        .expect("it fits");
    let sent = scene.model.sent();
    let refused = scene
        .workspace("exp-7")
        .rerun()
        .only("segment")
        .await
        .err()
        .expect("it is missing");
    assert_eq!(refused.failure().missing, ["metrics"]);
    assert_eq!(scene.model.sent(), sent);
    let status = scene.status("exp-7").await;
    assert_eq!(status.next, ["metrics"], "an empty result is none");
}

#[tokio::test(start_paused = true)]
async fn the_same_step_of_a_key_is_never_run_twice_at_once() {
    let scene = Scene::new();
    let start = || {
        let start = scene.runner.start(&scene.pipeline, json!({"brief": brief()}));
        start.key("exp-7").all().model("openai/small").into_future()
    };
    let started = futures_util::future::join_all((0..20).map(|_| start())).await;
    let mut won = Vec::new();
    for result in started {
        match result {
            Ok(run) => won.push(run),
            Err(refused) => assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}"),
        }
    }
    assert_eq!(won.len(), 1);
    output(&won[0]).await;
    assert_eq!(scene.model.sent(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_lost_process_loses_no_result_of_a_workspace() {
    let scene = Scene::new();
    let run = scene.runner.start(&scene.pipeline, json!({}));
    let run = run
        .key("exp-7")
        .all()
        .model("openai/small")
        .await
        .expect("it starts");
    let question = rests(&run).await;
    bury_all(&scene.store).await;
    let next = Scene::on(scene.store.clone(), scene.model.clone());
    next.runner.answer(question.id, brief()).await.expect("it fits");
    let taken_up = next.runner.attach(run.id()).await.expect("it is there");
    match taken_up.outcome().await.expect("it succeeds") {
        Outcome::Done(done) => assert_eq!(done.output, "tactics 6"),
        Outcome::Waiting(question) => panic!("{}", question.title),
    }
    assert!(next.status("exp-7").await.all_done);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_checked_before_anything_runs() {
    let scene = Scene::new();
    for key in ["", "..", ".hidden", "a/b", "a..b", &"k".repeat(129)] {
        let run = scene
            .runner
            .start(&scene.pipeline, json!({}))
            .key(key)
            .all()
            .model("openai/small")
            .await;
        let refused = run.err().expect("it cannot name a workspace");
        assert!(
            matches!(refused.kind(), ErrorKind::Usage | ErrorKind::InvalidInput),
            "{key}: {refused}"
        );
    }
    let both = scene
        .runner
        .start(&scene.pipeline, json!({"experiment_id": "one"}))
        .key("two")
        .all()
        .await;
    assert_eq!(both.err().expect("they differ").kind(), ErrorKind::Usage);
    let none = scene.runner.start(&scene.pipeline, json!({})).all().await;
    assert!(
        none.err()
            .expect("there is no key")
            .to_string()
            .contains("experiment_id")
    );
    assert_eq!(scene.model.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_a_step_that_was_run_can_be_run_again() {
    let scene = Scene::new();
    let first = scene
        .runner
        .start(&scene.pipeline, json!({"brief": brief()}))
        .key("exp-7");
    output(&first.only("input").await.expect("it starts")).await;
    let refused = scene
        .workspace("exp-7")
        .rerun()
        .only("metrics")
        .await
        .err()
        .expect("it was never run");
    assert!(
        refused
            .to_string()
            .contains("segue run --step metrics --key exp-7"),
        "{refused}"
    );
    let refused = scene
        .workspace("exp-7")
        .rerun()
        .only("input")
        .note(" ")
        .await
        .err()
        .expect("the note is empty");
    assert_eq!(refused.kind(), ErrorKind::Usage);
}
