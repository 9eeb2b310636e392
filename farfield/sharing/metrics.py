"""What is reported of each task, and which way is better."""

# {task: {metric: higher is better}}, the first metric of a task being the one that stands for it.
SCENE = {
    "segmentation": {"miou": True, "pixel_accuracy": True},
    "normals": {
        "normal_mean_angle": False,
        "normal_median_angle": False,
        "normal_within_11.25": True,
        "normal_within_22.5": True,
        "normal_within_30": True,
    },
    "depth": {
        "depth_abs_error": False,
        "depth_rel_error": False,
        "depth_delta_1.25": True,
        "depth_delta_1.25^2": True,
        "depth_delta_1.25^3": True,
    },
    "keypoints": {"keypoint_error": False},
    "edges": {"edge_error": False},
}
TASKONOMY = {
    "segmentation": {"segmentation_loss": False},
    "normals": {"normal_similarity": True},
    "depth": {"depth_error": False},
    "keypoints": {"keypoint_error": False},
    "edges": {"edge_error": False},
}
HIGHER_IS_BETTER = {
    metric: higher
    for study in (SCENE, TASKONOMY)
    for task in study.values()
    for metric, higher in task.items()
}
