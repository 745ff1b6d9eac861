//! `agents`: who there is, and what each is told.

use crate::project::{Project, texts};

#[test]
fn agents_of_all_files_are_listed_and_one_is_shown() {
    let project = Project::strategist();
    project.write(
        "short.yaml",
        "version: 1\nname: short\nmodels: { m: sim/schema }\nagents: { writer: { description: Writes., instructions: \"Write.\\nBriefly.\", model: m, output: { text: string }, tools: [segue.save_artifact] } }\nsteps: { a: { agent: writer, prompt: Go. } }\n",
    );
    project.write("broken.yaml", "version: 1\nname: broken\nsteps: 3\n");
    let listed = project.json("agents", &["agents", "ls"], 0);
    let items = listed["items"].as_array().expect("a list");
    let names: Vec<(&str, &str)> = items
        .iter()
        .filter_map(|item| Some((item["name"].as_str()?, item["pipeline"].as_str()?)))
        .collect();
    assert!(names.contains(&("writer", "short")), "{names:?}");
    assert!(names.contains(&("diagnostic_expert", "strategist")), "{names:?}");
    let said = project.segue(&["agents", "ls"]).exits(0);
    assert!(
        said.stdout.contains("writer") && said.stdout.contains("sim/schema"),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.contains("`broken.yaml` has faults and is left out"),
        "{}",
        said.stderr
    );

    let shown = project.json("agents", &["agents", "show", "writer"], 0);
    let writer = &shown["items"][0];
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&writer["instructions"], &writer["file"]),
        (&"Write.\nBriefly.".into(), &"short.yaml".into())
    );
    assert_eq!(
        (texts(&writer["models"]), texts(&writer["tools"])),
        (vec!["sim/schema"], vec!["segue.save_artifact"])
    );
    let said = project.segue(&["agents", "show", "writer"]).exits(0);
    assert!(
        said.stdout.contains("    Write.\n    Briefly."),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("answers      an object"), "{}", said.stdout);

    let nobody = project.segue(&["agents", "show", "writre"]).exits(2);
    assert!(
        nobody.stderr.contains("there is no agent `writre`") && nobody.stderr.contains("writer"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn nobody_is_said_to_be_nobody() {
    let none = Project::empty().segue(&["agents", "ls"]).exits(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("no agent is registered"), "{}", none.stderr);
}
