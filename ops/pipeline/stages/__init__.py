"""The stages, in the order they run."""

from ops.pipeline.stages.calibrate import CALIBRATE
from ops.pipeline.stages.contingency import CONTINGENCY
from ops.pipeline.stages.forecast import FORECAST
from ops.pipeline.stages.gates import GATES
from ops.pipeline.stages.inference import INFERENCE
from ops.pipeline.stages.ingest import INGEST
from ops.pipeline.stages.package import PACKAGE
from ops.pipeline.stages.registry import PUBLISH, REGISTER
from ops.pipeline.stages.report import REPORT
from ops.pipeline.stages.search import GRID, HPO
from ops.pipeline.stages.train import TRAIN
from ops.pipeline.stages.validate import VALIDATE

STAGES = (
    INGEST,
    HPO,
    GRID,
    CALIBRATE,
    VALIDATE,
    CONTINGENCY,
    TRAIN,
    INFERENCE,
    REGISTER,
    GATES,
    PUBLISH,
    FORECAST,
    REPORT,
    PACKAGE,
)

__all__ = ["STAGES"]
