//! Templates: the projects that `init` writes and `demo` runs, built into the program.

/// A project.
pub(crate) struct Template {
    /// What it is asked for by.
    pub(crate) name: &'static str,
    /// What it shows, on one line.
    pub(crate) about: &'static str,
    /// Who answers in it, said when it is written.
    pub(crate) note: &'static str,
    /// The command line that runs it.
    pub(crate) run: &'static str,
    /// Its files, each with its path.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

macro_rules! file {
    ($folder:literal, $name:literal) => {
        ($name, include_str!(concat!("../templates/", $folder, "/", $name)))
    };
}

/// Every template, in the order of a list.
pub(crate) const TEMPLATES: &[Template] = &[
    Template {
        name: "blank",
        about: "one step and one agent, to begin from",
        note: "`local/extractive` answers in process, free: it takes sentences from your text and is no language model.",
        run: "segue run --input text=\"Segue runs pipelines. It records what happens.\"",
        files: &[
            file!("blank", "pipeline.yaml"),
            file!("blank", "pipeline.test.yaml"),
            file!("blank", "segue.toml"),
        ],
    },
    Template {
        name: "research",
        about: "plan a topic, look into its parts side by side, write, review until it is good enough",
        note: "REPLAYED: every answer of this project was recorded, from a script, in research.cassette.yaml. Nothing is looked up, nothing is paid.",
        run: "segue run",
        files: &[
            file!("research", "research.yaml"),
            file!("research", "research.cassette.yaml"),
            file!("research", "research.test.yaml"),
            file!("research", "prompts/researcher.md"),
            file!("research", "segue.toml"),
        ],
    },
    Template {
        name: "document-router",
        about: "short documents take one pipeline, long ones another, with steps side by side",
        note: "`local/extractive` answers in process, free: it takes entities and sentences from your text and is no language model.",
        run: "segue run --input text=@notice.txt --limit 40",
        files: &[
            file!("document-router", "document_router.yaml"),
            file!("document-router", "document_router.test.yaml"),
            file!("document-router", "parts/simple.yaml"),
            file!("document-router", "parts/complex.yaml"),
            file!("document-router", "notice.txt"),
            file!("document-router", "segue.toml"),
        ],
    },
    Template {
        name: "content-pipeline",
        about: "the same agents put to work in three ways by name; publishing needs a yes, a failure has a fallback",
        note: "SIMULATED: every answer of this project stands in content.script.yaml. Nothing is published, nothing is paid.",
        run: "segue run",
        files: &[
            file!("content-pipeline", "content.yaml"),
            file!("content-pipeline", "content.script.yaml"),
            file!("content-pipeline", "content.test.yaml"),
            file!("content-pipeline", "segue.toml"),
        ],
    },
    Template {
        name: "strategist",
        about: "experts whose results are kept by key: any step on request, again with a note, and what that makes stale",
        note: "SIMULATED: every answer of this project stands in strategist.script.yaml. No model is asked, nothing is paid.",
        run: "segue run --key exp-7 --all",
        files: &[
            file!("strategist", "strategist.yaml"),
            file!("strategist", "strategist.script.yaml"),
            file!("strategist", "strategist.test.yaml"),
            file!("strategist", "segue.toml"),
        ],
    },
];

/// The template of a name that is known to be one.
pub(crate) fn files(name: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    TEMPLATES
        .iter()
        .filter(move |template| template.name == name)
        .flat_map(|template| template.files.iter().copied())
}
