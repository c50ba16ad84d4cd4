from spelke.weights.nearest import did_you_mean


def test_near_names_are_offered_and_far_ones_are_not():
    assert did_you_mean("spelke-tny", ["spelke-tiny", "other"]) == "did you mean 'spelke-tiny'? "
    assert did_you_mean("banana", ["spelke-tiny"]) == ""
