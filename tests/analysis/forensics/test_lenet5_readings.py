"""The recipe that is registered as LeNet-5 is the best way to read the paper."""

from fmbench import runners
from fmbench.analysis.forensics.findings import StoredAccuracies
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.records.store import Store
from fmbench.suites.bundled import CHECKOUT


def test_lenet5_is_the_best_of_its_readings_on_held_out_images_of_the_committed_records(source):
    lenet5 = runners.get_runner("lenet5")
    store = Store(CHECKOUT / "results" / "reference")
    stored = StoredAccuracies(store, store.read_contents(), source)
    readings = ForensicsPlan(lenet5, 1).readings
    accuracies = [stored.accuracy(reading.cell, ("held out",)) for reading in readings]
    assert len(accuracies) == 96 and None not in accuracies
    best = readings[accuracies.index(max(accuracies))]
    assert best.cell.hyperparameters == lenet5.resolve()
    assert accuracies.count(max(accuracies)) == 1
