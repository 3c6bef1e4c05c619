"""Labels of the three regions that WL1 and NWL1 weigh (wei2020, section 2.3)."""

OTHER, LESION, NAWM = 0, 1, 2
REGIONS = (LESION, NAWM, OTHER)
