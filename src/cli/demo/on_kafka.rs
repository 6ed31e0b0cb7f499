//! The demo on a real Kafka: two `goyt run` beside this process, one of which is killed on the way and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, io};

use super::{Play, Stage, course};
use crate::adapters::kafka::KafkaAccess;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{cluster, out, sources};
use crate::runtime::operations::access::Access;
use crate::runtime::operations::topics::{self, Creation};
use crate::sim::entries::Entry;

/// The instances.
const WORKERS: [&str; 2] = ["worker-a", "worker-b"];

/// Two processes that run the application.
pub struct Workers {
    access: KafkaAccess,
    children: Vec<Child>,
    place: Place,
}

/// What a worker needs to start, and to start again.
struct Place {
    program: PathBuf,
    topologies: Vec<PathBuf>,
    bootstrap: String,
    application: String,
    /// Their state, and what they say.
    folder: PathBuf,
}

impl Workers {
    /// Makes the topics and starts the workers.
    pub fn start(play: &Play<'_>, topologies: &[PathBuf]) -> Result<Self, Failure> {
        let mut admin = cluster::reach(play.settings)?;
        let access = KafkaAccess::new(&cluster::clients(play.settings, "demo"));
        let names: Vec<&str> = play.plan.topics.iter().map(|it| it.name.as_str()).collect();
        let used = course::has_records(&access, &names)?;
        if !used.is_empty() {
            let hint =
                "hint: the demo's figures would be mixed with others; delete these topics, or give it a Kafka of its own: make demo-kafka";
            return Err(Failure::new(Exit::FAILED, format!("there are records already on {}\n  {hint}", used.join(", "))));
        }
        let creation = Creation {
            input_partitions: Some(play.scenario.partitions),
            replication: play.settings.replication_factor,
            config: &play.settings.topic,
        };
        let made = topics::look(play.plan, creation, admin.as_mut()).and_then(|mut it| topics::create(&mut it, admin.as_mut()));
        made.map_err(|it| cluster::failure(&it, play.settings))?;
        let application = play.plan.application_id.clone();
        let default = [PathBuf::from(sources::DEFAULT_PATH)];
        let place = Place {
            program: env::current_exe().map_err(|it| unable("this program can't be found", &it))?,
            topologies: if topologies.is_empty() { default.to_vec() } else { topologies.to_vec() },
            bootstrap: play.settings.bootstrap_servers.clone(),
            folder: env::temp_dir().join(&application),
            application,
        };
        let mut workers = Self { access, children: Vec::new(), place };
        for name in WORKERS {
            workers.children.push(workers.place.run(name)?);
        }
        out::say(&format!(
            "  two workers run on Kafka at {}; what they say is in {}",
            workers.place.bootstrap,
            workers.place.folder.display()
        ));
        Ok(workers)
    }
}

impl Place {
    fn run(&self, name: &str) -> Result<Child, Failure> {
        let log = self.log(name).map_err(|it| unable(&format!("{}: can't be written", self.folder.display()), &it))?;
        let mut command = Command::new(&self.program);
        command.arg("run").args(&self.topologies);
        for (setting, value) in [
            ("bootstrap.servers", self.bootstrap.as_str()),
            ("application.id", &self.application),
            ("instance.id", name),
            ("state.dir", &self.folder.join(name).display().to_string()),
            ("http.address", "127.0.0.1:0"),
            ("log.format", "text"),
        ] {
            command.arg("--set").arg(format!("{setting}={value}"));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        child.map_err(|it| unable("a worker can't be started", &it))
    }

    fn log(&self, name: &str) -> io::Result<fs::File> {
        fs::create_dir_all(&self.folder)?;
        fs::OpenOptions::new().create(true).append(true).open(self.log_path(name))
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

impl Stage for Workers {
    fn access(&self) -> &dyn Access {
        &self.access
    }

    fn half_way(&mut self) -> Result<Option<String>, Failure> {
        let (Some(name), Some(child)) = (WORKERS.first(), self.children.first_mut()) else { return Ok(None) };
        // As `kill -9`: no last commit, no word to the group.
        child.kill().and_then(|()| child.wait()).map_err(|it| unable("a worker can't be killed", &it))?;
        *child = self.place.run(name)?;
        Ok(Some(format!("  kill -9 {name}, in the midst of its work; started again at once")))
    }

    fn fault(&mut self) -> Option<String> {
        for (name, child) in WORKERS.into_iter().zip(&mut self.children) {
            if let Ok(Some(status)) = child.try_wait() {
                let log = self.place.log_path(name);
                return Some(format!("{name} has ended, {status}{}\n  hint: all that it said is in {}", last_line(&log), log.display()));
            }
        }
        None
    }

    fn pace(&self) -> Option<String> {
        None
    }

    fn page(&self) -> Option<&str> {
        None
    }

    fn remarks(&self) -> Vec<String> {
        let Place { bootstrap, application, .. } = &self.place;
        vec![format!("The topics are on the Kafka at {bootstrap}, as long as that is there; the application is {application}.")]
    }

    fn entries(&self, _store: &str) -> Option<Result<Vec<Entry>, String>> {
        None
    }

    fn end(&mut self, good: bool) {
        for child in &mut self.children {
            // Everything is committed: nothing is lost by this.
            drop(child.kill().and_then(|()| child.wait()));
        }
        if good {
            drop(fs::remove_dir_all(&self.place.folder));
        }
    }
}

fn last_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().last().map(|it| format!(": {it}")).unwrap_or_default()
}

fn unable(what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::FAILED, format!("{what}: {error}"))
}
