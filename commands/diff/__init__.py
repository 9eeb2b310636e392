"""`farfield diff`: what a change did to the results of every study."""
