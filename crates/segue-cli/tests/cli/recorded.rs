//! The cassette of the research template is what its script gives for its cases, so that neither changes without the other.

use std::path::Path;
use std::sync::Arc;

use segue::case::{Bench, Ending, Suite};
use segue::file::Purpose;
use segue::model::cassette::{NoSecrets, Recording};
use segue::price::PriceBook;
use segue::{Models, Registry, Scripted};

/// What stands at the head of the cassette.
const HEAD: &str =
    "# Recorded from a scripted model: nothing in it was looked up by anybody, and nothing was paid.\n";

#[test]
fn the_cassette_of_the_research_template_is_what_its_script_gives() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/research");
    let read = |name: &str| std::fs::read_to_string(templates.join(name)).expect("a file of the template");
    let script = Scripted::from_yaml(&read("research.script.yaml")).expect("a script");
    let bench = Bench {
        registry: Registry::new(),
        // Under the name the file asks for, a model of the program comes first.
        models: Models::offline().with("sim/cassette", script),
        prices: PriceBook::new(std::time::UNIX_EPOCH),
        named: segue::file::Named::default(),
        redact: Arc::new(NoSecrets),
    };
    let path = templates.join("research.test.yaml");
    let suite = Suite::load(&path, Purpose::Record).unwrap_or_else(|rejected| panic!("{rejected}"));
    let loaded = suite.plan(&bench).unwrap_or_else(|rejected| panic!("{rejected}"));
    let recording = Recording::new(bench.prices.clone(), None, bench.redact.clone());
    for case in &suite.cases {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let report = runtime.block_on(suite.run(case, &loaded, &bench, Some(&recording)));
        runtime.shutdown_background();
        assert_eq!(report.ending, Ending::Passed, "{}: {report:#?}", case.name);
    }
    let recorded = recording.finish(None).expect("calls were made");
    let recorded = format!("{HEAD}{}", recorded.text);
    if recorded != read("research.cassette.yaml") {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("research.cassette.yaml");
        std::fs::write(&new, recorded).expect("a file of the build");
        panic!(
            "the script gives another cassette: copy {} over it",
            new.display()
        );
    }
}
