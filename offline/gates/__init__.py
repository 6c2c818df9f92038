"""Quality gates: whether a bundle may go live, and on what evidence."""

from offline.gates.approvals import Approval, Role, approve, read_approvals, require_signoff
from offline.gates.model import Examined, examine
from offline.gates.policy import DEFAULT_POLICY, Policy, PolicyFile, load_policy
from offline.gates.production import INFERENCE_SCHEMA, Inference
from offline.gates.registered import Registered, look_up
from offline.gates.report import GATES_SCHEMA, REPORT, Evidence, judge, write_report
from offline.gates.results import Results, read_results
from offline.gates.search import read_search
from offline.gates.source import Source, read_json
from offline.gates.subject import about_this_bundle
from offline.gates.told import ToldGates, read_gates, require_policy

__all__ = [
    "DEFAULT_POLICY",
    "GATES_SCHEMA",
    "INFERENCE_SCHEMA",
    "REPORT",
    "Approval",
    "Evidence",
    "Examined",
    "Inference",
    "Policy",
    "PolicyFile",
    "Registered",
    "Results",
    "Role",
    "Source",
    "ToldGates",
    "about_this_bundle",
    "approve",
    "examine",
    "judge",
    "load_policy",
    "look_up",
    "read_approvals",
    "read_gates",
    "read_json",
    "read_results",
    "read_search",
    "require_policy",
    "require_signoff",
    "write_report",
]
