# SPDX-License-Identifier: Apache-2.0
# Made by packaging/completions.py with shtab.

_shtab_livefw_image_store_subparsers=(init show stage discard accept rollback)
_shtab_livefw_image_subparsers=(info verify extract replace remove trust build cab capsule metadata store)
_shtab_livefw_machine_subparsers=(run bmc platforms list show stage notify driver reload fault cpu log trace eventlog)
_shtab_livefw_tdx_subparsers=(candidates)
_shtab_livefw_help_image_store_subparsers=(init show stage discard accept rollback)
_shtab_livefw_help_image_subparsers=(info verify extract replace remove trust build cab capsule metadata store)
_shtab_livefw_help_machine_subparsers=(run bmc platforms list show stage notify driver reload fault cpu log trace eventlog)
_shtab_livefw_help_tdx_subparsers=(candidates)
_shtab_livefw_help_subparsers=(list show plan activate cancel history report watch notify policy stage metrics doctor explain image machine tdx fwupdmgr conformance demo)
_shtab_livefw_subparsers=(list show plan activate cancel history report watch notify policy stage metrics doctor explain image machine tdx fwupdmgr conformance demo help)

_shtab_livefw_list_option_strings=(-h --help --pending --provider --only --bmc --strict -o --output --columns --sort --no-headings --state --root --settings --json --debug --color)
_shtab_livefw_show_option_strings=(-h --help --mechanism --ocp --all --state --images --root --settings --json --debug --color)
_shtab_livefw_plan_option_strings=(-h --help --strict --ignore -o --output --columns --sort --no-headings --state --root --settings --json --debug --color)
_shtab_livefw_activate_option_strings=(-h --help --all -n --dry-run --to --image --wait-busy --at --scheduled -y --yes --reason --ignore --strict --rows --no-journal --on-failure --measure --state --root --settings --json --debug --color)
_shtab_livefw_cancel_option_strings=(-h --help --reason --no-journal --state --root --settings --json --debug --color)
_shtab_livefw_history_option_strings=(-h --help --since --until --limit --before --pending --file --verify --head --archive --keep --older --rows --plot -o --output --columns --sort --no-headings --state --root --settings --json --debug --color)
_shtab_livefw_report_option_strings=(-h --help --component --since --until --limit -o --output --format --force --file --fleet --state --root --settings --json --debug --color)
_shtab_livefw_watch_option_strings=(-h --help --interval --lines --measure --state --root --settings --json --debug --color)
_shtab_livefw_notify_option_strings=(-h --help --list --test --send --state --root --settings --json --debug --color)
_shtab_livefw_policy_option_strings=(-h --help --all --keys --check --state --root --settings --json --debug --color)
_shtab_livefw_stage_option_strings=(-h --help --reason --ignore --strict --no-journal --state --images --root --settings --json --debug --color)
_shtab_livefw_metrics_option_strings=(-h --help -o --output --state --root --settings --json --debug --color)
_shtab_livefw_doctor_option_strings=(-h --help --state --root --settings --json --debug --color)
_shtab_livefw_explain_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_info_option_strings=(-h --help --hash --trust --store --counter --root --settings --json --debug --color)
_shtab_livefw_image_verify_option_strings=(-h --help --trust --store --counter --chain-only --chain --platform --partition --root --settings --json --debug --color)
_shtab_livefw_image_extract_option_strings=(-h --help --image --directory --force --trust --root --settings --json --debug --color)
_shtab_livefw_image_replace_option_strings=(-h --help --image --add --entry-flags --output --align --plat-toc-flags --trust --root --settings --json --debug --color)
_shtab_livefw_image_remove_option_strings=(-h --help --image --output --align --plat-toc-flags --trust --root --settings --json --debug --color)
_shtab_livefw_image_trust_option_strings=(-h --help --chain --root-key --hash --platform --partition --name --root --settings --json --debug --color)
_shtab_livefw_image_build_option_strings=(-h --help --image --version --keys --new-keys --certificate --chain --platform --partition --hash --counter --align --plat-toc-flags --entry-flags --root --settings --json --debug --color)
_shtab_livefw_image_cab_option_strings=(-h --help --image --component --version --name --keys --extract --root --settings --json --debug --color)
_shtab_livefw_image_capsule_option_strings=(-h --help --image --accept --revert --guid --plain --index --instance --fw-version --lowest-version --oem-flags --key --certificate --monotonic-count --root --settings --json --debug --color)
_shtab_livefw_image_metadata_option_strings=(-h --help --image --efi --active --previous --state --metadata-version --vendor --root --settings --json --debug --color)
_shtab_livefw_image_store_init_option_strings=(-h --help --trust --root --settings --json --debug --color)
_shtab_livefw_image_store_show_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_store_stage_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_store_discard_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_store_accept_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_store_rollback_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_store_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_image_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_machine_run_option_strings=(-h --help --platform --list --machine --mount --agent --driver --kernel --notification --cpus --components --store --bmc --qemu --initrd --busybox --disk --kernel-module --guest-python --guest-command --append --memory --el1 --root --settings --json --debug --color)
_shtab_livefw_machine_bmc_option_strings=(-h --help --address --port --vendor --pattern --seconds --fault --root --settings --json --debug --color)
_shtab_livefw_machine_platforms_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_machine_list_option_strings=(-h --help -o --output --columns --sort --no-headings --root --settings --json --debug --color)
_shtab_livefw_machine_show_option_strings=(-h --help --machine --root --settings --json --debug --color)
_shtab_livefw_machine_stage_option_strings=(-h --help --machine --forged --root --settings --json --debug --color)
_shtab_livefw_machine_notify_option_strings=(-h --help --machine --root --settings --json --debug --color)
_shtab_livefw_machine_driver_option_strings=(-h --help --machine --root --settings --json --debug --color)
_shtab_livefw_machine_reload_option_strings=(-h --help --machine --root --settings --json --debug --color)
_shtab_livefw_machine_fault_option_strings=(-h --help --machine --times --function --code --ms --cpu --count --list --clear --root --settings --json --debug --color)
_shtab_livefw_machine_cpu_option_strings=(-h --help --machine --root --settings --json --debug --color)
_shtab_livefw_machine_log_option_strings=(-h --help --machine --follow --root --settings --json --debug --color)
_shtab_livefw_machine_trace_option_strings=(-h --help --machine --follow --root --settings --json --debug --color)
_shtab_livefw_machine_eventlog_option_strings=(-h --help --machine --output --root --settings --json --debug --color)
_shtab_livefw_machine_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_tdx_candidates_option_strings=(-h --help --images -o --output --columns --sort --no-headings --root --settings --json --debug --color)
_shtab_livefw_tdx_option_strings=(-h --help --root --settings --json --debug --color)
_shtab_livefw_fwupdmgr_option_strings=(-h --help --socket --root --settings --json --debug --color)
_shtab_livefw_conformance_option_strings=(-h --help --agent --cpus --gdb --qemu --qemu-options --dangerous --junit --root --settings --json --debug --color)
_shtab_livefw_demo_option_strings=(-h --help --platform --web --root --settings --json --debug --color)
_shtab_livefw_help_list_option_strings=()
_shtab_livefw_help_show_option_strings=()
_shtab_livefw_help_plan_option_strings=()
_shtab_livefw_help_activate_option_strings=()
_shtab_livefw_help_cancel_option_strings=()
_shtab_livefw_help_history_option_strings=()
_shtab_livefw_help_report_option_strings=()
_shtab_livefw_help_watch_option_strings=()
_shtab_livefw_help_notify_option_strings=()
_shtab_livefw_help_policy_option_strings=()
_shtab_livefw_help_stage_option_strings=()
_shtab_livefw_help_metrics_option_strings=()
_shtab_livefw_help_doctor_option_strings=()
_shtab_livefw_help_explain_option_strings=()
_shtab_livefw_help_image_info_option_strings=()
_shtab_livefw_help_image_verify_option_strings=()
_shtab_livefw_help_image_extract_option_strings=()
_shtab_livefw_help_image_replace_option_strings=()
_shtab_livefw_help_image_remove_option_strings=()
_shtab_livefw_help_image_trust_option_strings=()
_shtab_livefw_help_image_build_option_strings=()
_shtab_livefw_help_image_cab_option_strings=()
_shtab_livefw_help_image_capsule_option_strings=()
_shtab_livefw_help_image_metadata_option_strings=()
_shtab_livefw_help_image_store_init_option_strings=()
_shtab_livefw_help_image_store_show_option_strings=()
_shtab_livefw_help_image_store_stage_option_strings=()
_shtab_livefw_help_image_store_discard_option_strings=()
_shtab_livefw_help_image_store_accept_option_strings=()
_shtab_livefw_help_image_store_rollback_option_strings=()
_shtab_livefw_help_image_store_option_strings=()
_shtab_livefw_help_image_option_strings=()
_shtab_livefw_help_machine_run_option_strings=()
_shtab_livefw_help_machine_bmc_option_strings=()
_shtab_livefw_help_machine_platforms_option_strings=()
_shtab_livefw_help_machine_list_option_strings=()
_shtab_livefw_help_machine_show_option_strings=()
_shtab_livefw_help_machine_stage_option_strings=()
_shtab_livefw_help_machine_notify_option_strings=()
_shtab_livefw_help_machine_driver_option_strings=()
_shtab_livefw_help_machine_reload_option_strings=()
_shtab_livefw_help_machine_fault_option_strings=()
_shtab_livefw_help_machine_cpu_option_strings=()
_shtab_livefw_help_machine_log_option_strings=()
_shtab_livefw_help_machine_trace_option_strings=()
_shtab_livefw_help_machine_eventlog_option_strings=()
_shtab_livefw_help_machine_option_strings=()
_shtab_livefw_help_tdx_candidates_option_strings=()
_shtab_livefw_help_tdx_option_strings=()
_shtab_livefw_help_fwupdmgr_option_strings=()
_shtab_livefw_help_conformance_option_strings=()
_shtab_livefw_help_demo_option_strings=()
_shtab_livefw_help_option_strings=()
_shtab_livefw_option_strings=(-h --help -V --version --root --settings --json --debug --color)

_shtab_livefw_list_pos_0_COMPGEN=_livefw_components
_shtab_livefw_list___bmc_COMPGEN=_livefw_bmcs
_shtab_livefw_list___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_list___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_list___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_show_pos_0_COMPGEN=_livefw_components
_shtab_livefw_show___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_show___images_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_show___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_show___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_plan_pos_0_COMPGEN=_livefw_components
_shtab_livefw_plan___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_plan___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_plan___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_activate_pos_0_COMPGEN=_livefw_pending
_shtab_livefw_activate___image_COMPGEN=_shtab_compgen_files
_shtab_livefw_activate___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_activate___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_activate___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_cancel_pos_0_COMPGEN=_livefw_components
_shtab_livefw_cancel___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_cancel___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_cancel___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_history_pos_0_COMPGEN=_livefw_activations
_shtab_livefw_history___file_COMPGEN=_shtab_compgen_files
_shtab_livefw_history___archive_COMPGEN=_shtab_compgen_files
_shtab_livefw_history___plot_COMPGEN=_shtab_compgen_files
_shtab_livefw_history___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_history___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_history___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_report_pos_0_COMPGEN=_livefw_activations
_shtab_livefw_report___component_COMPGEN=_livefw_components
_shtab_livefw_report__o_COMPGEN=_shtab_compgen_files
_shtab_livefw_report___output_COMPGEN=_shtab_compgen_files
_shtab_livefw_report___file_COMPGEN=_shtab_compgen_files
_shtab_livefw_report___fleet_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_report___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_report___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_report___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_watch___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_watch___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_watch___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_notify___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_notify___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_notify___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_policy___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_policy___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_policy___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_stage_pos_0_COMPGEN=_livefw_components
_shtab_livefw_stage_pos_1_COMPGEN=_shtab_compgen_files
_shtab_livefw_stage___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_stage___images_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_stage___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_stage___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_metrics__o_COMPGEN=_shtab_compgen_files
_shtab_livefw_metrics___output_COMPGEN=_shtab_compgen_files
_shtab_livefw_metrics___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_metrics___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_metrics___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_doctor___state_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_doctor___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_doctor___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_explain___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_explain___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_info_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_info___trust_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_info___store_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_info___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_info___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_verify_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_verify___trust_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_verify___store_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_verify___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_verify___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_extract_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_extract___directory_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_extract___trust_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_extract___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_extract___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_replace_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_replace___output_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_replace___trust_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_replace___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_replace___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_remove_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_remove___output_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_remove___trust_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_remove___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_remove___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_trust_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_trust___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_trust___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_build_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_build___keys_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_build___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_build___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_cab_pos_0_COMPGEN=_shtab_glob_compgen_76dad7fd
_shtab_livefw_image_cab___image_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_cab___component_COMPGEN=_livefw_components
_shtab_livefw_image_cab___keys_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_cab___extract_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_cab___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_cab___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_capsule_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_capsule___image_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_capsule___key_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_capsule___certificate_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_capsule___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_capsule___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_metadata_pos_0_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_metadata___vendor_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_metadata___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_metadata___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_init_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_init_pos_1_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_store_init___trust_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_store_init___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_init___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_show_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_show___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_show___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_stage_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_stage_pos_1_COMPGEN=_shtab_compgen_files
_shtab_livefw_image_store_stage___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_stage___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_discard_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_discard___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_discard___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_accept_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_accept___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_accept___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_rollback_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_rollback___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store_rollback___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image_store___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_image___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_run___platform_COMPGEN=_livefw_platform_or_file
_shtab_livefw_machine_run___mount_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_run___store_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_run___bmc_COMPGEN=_livefw_bmcs
_shtab_livefw_machine_run___qemu_COMPGEN=_shtab_compgen_files
_shtab_livefw_machine_run___initrd_COMPGEN=_shtab_compgen_files
_shtab_livefw_machine_run___busybox_COMPGEN=_shtab_compgen_files
_shtab_livefw_machine_run___disk_COMPGEN=_shtab_compgen_files
_shtab_livefw_machine_run___kernel_module_COMPGEN=_shtab_compgen_files
_shtab_livefw_machine_run___guest_python_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_run___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_run___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_bmc_pos_0_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_bmc___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_bmc___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_platforms___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_platforms___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_list___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_list___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_show___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_show___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_show___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_stage_pos_0_COMPGEN=_livefw_parts
_shtab_livefw_machine_stage___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_stage___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_stage___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_notify___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_notify___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_notify___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_driver___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_driver___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_driver___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_reload___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_reload___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_reload___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_fault_pos_1_COMPGEN=_livefw_parts
_shtab_livefw_machine_fault___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_fault___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_fault___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_cpu___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_cpu___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_cpu___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_log___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_log___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_log___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_trace___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_trace___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_trace___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_eventlog___machine_COMPGEN=_livefw_machines
_shtab_livefw_machine_eventlog___output_COMPGEN=_shtab_compgen_files
_shtab_livefw_machine_eventlog___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine_eventlog___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_machine___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_tdx_candidates___images_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_tdx_candidates___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_tdx_candidates___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_tdx___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_tdx___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_fwupdmgr___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_fwupdmgr___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_conformance___qemu_COMPGEN=_shtab_compgen_files
_shtab_livefw_conformance___junit_COMPGEN=_shtab_compgen_files
_shtab_livefw_conformance___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_conformance___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_demo___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw_demo___settings_COMPGEN=_shtab_compgen_dirs
_shtab_livefw___root_COMPGEN=_shtab_compgen_dirs
_shtab_livefw___settings_COMPGEN=_shtab_compgen_dirs

_shtab_livefw_list___provider_choices=(lfa tdx redfish pfrut sfs microcode nvme)
_shtab_livefw_list___only_choices=(ready held activating staging cancelling unfinished up-to-date needs-reset blocked unreadable)
_shtab_livefw_list__o_choices=(table wide name json jsonl csv)
_shtab_livefw_list___output_choices=(table wide name json jsonl csv)
_shtab_livefw_list___color_choices=(auto always never)
_shtab_livefw_show___color_choices=(auto always never)
_shtab_livefw_plan___ignore_choices=(policy pinned forbidden settings-match busy permission order settings-hold window load time watchdog downgrade requirements signature cpus-offline cpus-moving device-restart health boot in-use shared attestation pause temperature wear requests kin failed-this-boot list-in-doubt signed last-attempt guests stake unconfirmed result lockdown auto-activate)
_shtab_livefw_plan__o_choices=(table wide name json jsonl csv)
_shtab_livefw_plan___output_choices=(table wide name json jsonl csv)
_shtab_livefw_plan___color_choices=(auto always never)
_shtab_livefw_activate___ignore_choices=(policy pinned forbidden settings-match busy permission order settings-hold window load time watchdog downgrade requirements signature cpus-offline cpus-moving device-restart health boot in-use shared attestation pause temperature wear requests kin failed-this-boot list-in-doubt signed last-attempt guests stake unconfirmed result lockdown auto-activate)
_shtab_livefw_activate___on_failure_choices=(stop continue)
_shtab_livefw_activate___measure_choices=(auto sampler tracer off)
_shtab_livefw_activate___color_choices=(auto always never)
_shtab_livefw_cancel___color_choices=(auto always never)
_shtab_livefw_history__o_choices=(table wide name json jsonl csv)
_shtab_livefw_history___output_choices=(table wide name json jsonl csv)
_shtab_livefw_history___color_choices=(auto always never)
_shtab_livefw_report___format_choices=(html md json)
_shtab_livefw_report___color_choices=(auto always never)
_shtab_livefw_watch___measure_choices=(auto sampler tracer off)
_shtab_livefw_watch___color_choices=(auto always never)
_shtab_livefw_notify___color_choices=(auto always never)
_shtab_livefw_policy___color_choices=(auto always never)
_shtab_livefw_stage___ignore_choices=(policy pinned forbidden settings-match busy permission order settings-hold window load time watchdog downgrade requirements signature cpus-offline cpus-moving device-restart health boot in-use shared attestation pause temperature wear requests kin failed-this-boot list-in-doubt signed last-attempt guests stake unconfirmed result lockdown auto-activate)
_shtab_livefw_stage___color_choices=(auto always never)
_shtab_livefw_metrics___color_choices=(auto always never)
_shtab_livefw_doctor_pos_0_choices=(machine lfa tdx redfish pfrut sfs microcode nvme packages policy history activity pending daemon metrics fwupd all)
_shtab_livefw_doctor___color_choices=(auto always never)
_shtab_livefw_explain_pos_0_choices=(activated staged failed refused cancelled unknown restarted boot-not-reported inventory-contradicts measurement-contradicts arrived-with-damage arrived-by-reset arrived-late arrived-after-silence version-arrived activated-otherwise version-astray version-changed log-tells-success changed-otherwise measurement-changed device-gone false-success measurement-unchanged failure-contradicts given-up version-contradicts version-unmoved unconfirmed unproved-success failed-but-not-pending failed-and-not-seen log-contradicts refused-but-done declined-but-not-pending declined-but-tried lost log-tells-failure not-asked no-evidence accepted-unconfirmed policy pinned forbidden settings-match busy permission order settings-hold window load time watchdog downgrade requirements signature cpus-offline cpus-moving device-restart health boot in-use shared attestation pause temperature wear requests kin failed-this-boot list-in-doubt signed last-attempt guests stake result lockdown auto-activate hook:NAME 0 1 2 3 4 5 6 7 130 usage no-such-component ambiguous-component interrupted nothing-to-do nothing-here outcome-unknown not-installed transport no-permission internal other-vanished other-changed other-not-pending other-appeared others-not-seen not-recovered not-announced history-damaged not-measured unseen driver-not-read not-judged not-kept not-witnessed not-let-go request-failed version-waits waits not-stageable other-version vanished out-of-sight not-settled not-pending other-waits setting-refused setting-not-shown no-such-setting no-outcome version-may-be-old rmm-dead components tree-unreadable inventory-incomplete evidence agent-stated driver-unknown driver-version driver-trust no-component not-arm64 no-agent no-inventory empty-inventory driver-not-loaded no-driver notifier notifier-obsolete no-kernel-log pending-version-garbage no-time-limit loops-while-stopped not-serialised busy-is-final empty-name not-auto-loaded stale-inventory call-again-broken activates-unasked auto-activate-loops name-garbage no-tree empty-tree read-only activation-failed resets-cpu driver-ends nothing-to-cancel unexpected-errno not-a-trigger second-call-invalid cannot-cancel-now not-watched unreadable not-capable no-trigger version-not-reported version-garbage pending-version-doubtful not-supported firmware-busy auth-failed auth-error no-memory critical-error device-error wrong-state invalid-parameters component-wrong-state invalid-address firmware-activation-failed timed-out images volatile td-launch converted unknown-rules image no-tdx-host module-lost contradiction mislabelled not-started update-refused stuck left-open may-stay-open no-end changed guest tdx-disabled no-kernel-option other-platform module-not-installed module-not-loaded unsupported no-slots cpu-offline cpu td-build mapping series same min-version seamldr debug svn strict unreachable login malformed down timeout no-session service-disabled queue-unread no-activation takes-image reset-required version-untold no-attestation no-staging ocp-scope foreign-work reset-untold no-service denied bad-status locked-out broken redirected oversized no-library no-credentials ca unread silent bad-host no-host-list no-transfer too-large not-updateable no-install waits-already unserved still-waits overtaken no-cancel nothing-staged not-staged not-held staged-otherwise already-installed staged-for-reset not-prepared unverified reached ability incomplete no-bmc task-failed no-monitor monitor-gone monitor-hidden service-broke no-contact task-stopped awaits unexpected-status bad-request not-permitted tls unusable-image transfer-failed apply-failed version-refused task-cancelled no-licence no-device wrong-platform capsule-refused stage-refused no-acpi-device pending-untold not-found overflow no-late-loading taints uneven load-failed loader-disabled no-identify not-ready no-firmware-commands slot-changed slot-holds ready slot-stays drive-gone no-slot aborted bad-slot image-refused too-long overlap no-reply linked link-ambiguous link-no-component linked-elsewhere agent-sees-nothing agent-sees-other link-no-member not-examined idle running daemon no-daemon daemon-disabled daemon-down daemon-no-reply daemon-version fwupd fwupd-plugin no-history history history-unreadable unfinished history-more disk-full disk-nearly-full machine machine-unknown container no-sysfs not-root metrics no-metrics metrics-stale packages nothing-pending pending pending-long pending-more settings settings-not-used settings-wrong settings-unreadable pattern-unmatched window-never-opens checks check-skipped check-broken notify-broken NOT_SUPPORTED LFA_NOT_SUPPORTED BUSY LFA_BUSY AUTH_ERROR LFA_AUTH_ERROR NO_MEMORY LFA_NO_MEMORY CRITICAL_ERROR LFA_CRITICAL_ERROR DEVICE_ERROR LFA_DEVICE_ERROR WRONG_STATE LFA_WRONG_STATE INVALID_PARAMETERS LFA_INVALID_PARAMETERS COMPONENT_WRONG_STATE LFA_COMPONENT_WRONG_STATE INVALID_ADDRESS LFA_INVALID_ADDRESS ACTIVATION_FAILED LFA_ACTIVATION_FAILED TIMED_OUT LFA_TIMED_OUT EBADPARAM EBADCALL EBADHANDOFF ECLEANUPREQ EUNSUPPORTED ENOMEM EUNSPECERR EUNSUPCPU EBADSIG EBADHASH EINTERRUPT ENOENTROPY TargetDetermined AllTargetsDetermined TransferringToComponent VerifyingAtComponent InstallingOnComponent ApplyingOnComponent AwaitToUpdate AwaitToActivate UpdateInProgress OperationTransitionedToJob UpdateSuccessful TaskStarted TaskProgressChanged TaskPaused TaskResumed TaskCompletedOK TaskCompletedWarning TransferFailed VerificationFailed ApplyFailed ActivateFailed NoTargetsDetermined UpdateNotApplicable UpdateSkipped UpdateSkippedSameVersion ResetRequired TaskAborted TaskCancelled TaskRemoved JCP001 RED001 RED002 RED007 RED030 SystemResetRequired UpdateAssignment UpdateVerifyInProgress UpdateVerifyFailed PayloadApplyInProgress PayloadApplyCompleted OemSimpleupdateAcceptedMessage OemFirmwareAlreadyInUpdateMode OemLicenseNotPassed 'Invalid Command Opcode' 'Invalid Field in Command' 'Data Transfer Error' 'Internal Error' 'Command Abort Requested' 'Command Sequence Error' 'Operation Denied' 'Sanitize In Progress' 'Command Interrupted' 'Admin Command Media Not Ready' 'Invalid Firmware Slot' 'Invalid Firmware Image' 'Firmware Activation Requires Conventional Reset' 'Firmware Activation Requires NVM Subsystem Reset' 'Firmware Activation Requires Controller Level Reset' 'Firmware Activation Requires Maximum Time Violation' 'Firmware Activation Prohibited' 'Overlapping Range' 'Boot Partition Write Prohibited')
_shtab_livefw_explain___color_choices=(auto always never)
_shtab_livefw_image_info___color_choices=(auto always never)
_shtab_livefw_image_verify___chain_choices=(tbbr dualroot cca cca-2.8)
_shtab_livefw_image_verify___platform_choices=(fvp tc optee rd)
_shtab_livefw_image_verify___color_choices=(auto always never)
_shtab_livefw_image_extract___color_choices=(auto always never)
_shtab_livefw_image_replace___color_choices=(auto always never)
_shtab_livefw_image_remove___color_choices=(auto always never)
_shtab_livefw_image_trust___chain_choices=(tbbr dualroot cca cca-2.8)
_shtab_livefw_image_trust___hash_choices=(SHA256 SHA384 SHA512)
_shtab_livefw_image_trust___platform_choices=(fvp tc optee rd)
_shtab_livefw_image_trust___color_choices=(auto always never)
_shtab_livefw_image_build___new_keys_choices=(p256 p384 brainpool rsa2048 rsa3072 rsa4096)
_shtab_livefw_image_build___chain_choices=(tbbr dualroot cca cca-2.8)
_shtab_livefw_image_build___platform_choices=(fvp tc optee rd)
_shtab_livefw_image_build___hash_choices=(SHA256 SHA384 SHA512)
_shtab_livefw_image_build___color_choices=(auto always never)
_shtab_livefw_image_cab___color_choices=(auto always never)
_shtab_livefw_image_capsule___color_choices=(auto always never)
_shtab_livefw_image_metadata___metadata_version_choices=(1 2)
_shtab_livefw_image_metadata___color_choices=(auto always never)
_shtab_livefw_image_store_init___color_choices=(auto always never)
_shtab_livefw_image_store_show___color_choices=(auto always never)
_shtab_livefw_image_store_stage___color_choices=(auto always never)
_shtab_livefw_image_store_discard___color_choices=(auto always never)
_shtab_livefw_image_store_accept___color_choices=(auto always never)
_shtab_livefw_image_store_rollback___color_choices=(auto always never)
_shtab_livefw_image_store_pos_0_choices=(init show stage discard accept rollback)
_shtab_livefw_image_store___color_choices=(auto always never)
_shtab_livefw_image_pos_0_choices=(info verify extract replace remove trust build cab capsule metadata store)
_shtab_livefw_image___color_choices=(auto always never)
_shtab_livefw_machine_run___agent_choices=(tfa-2.14 tfa-2.15 tfa-2026 bet1)
_shtab_livefw_machine_run___driver_choices=(v1 v2 v3 nv3 lw1)
_shtab_livefw_machine_run___notification_choices=(acpi dt none)
_shtab_livefw_machine_run___color_choices=(auto always never)
_shtab_livefw_machine_bmc___vendor_choices=(livefw dell hpe nvidia openbmc supermicro)
_shtab_livefw_machine_bmc___pattern_choices=(stage start both immediate)
_shtab_livefw_machine_bmc___fault_choices=(verify-fails activate-fails activate-hangs reset-after-all waits-for-reset task-suspends false-success false-success-cleared false-failure failure-cleared completed-critical completed-warning answers-204 answers-text refused-but-done unauthorized-but-done error-but-done gateway-but-done dropped-but-done false-staging refused-but-staged dropped-but-staged installs-at-once too-large false-cancel monitor-vanishes monitor-once monitor-breaks monitor-unauthorized monitor-pages task-deleted task-deleted-page no-location unfollowable session-expires locked-out busy busy-page inventory-busy inventory-gone member-busy paged member-page optional-page reboots foreign-work measurement-stays measurement-replayed measurement-forged no-measurements one-bank active-untold)
_shtab_livefw_machine_bmc___color_choices=(auto always never)
_shtab_livefw_machine_platforms___color_choices=(auto always never)
_shtab_livefw_machine_list__o_choices=(table wide name json jsonl csv)
_shtab_livefw_machine_list___output_choices=(table wide name json jsonl csv)
_shtab_livefw_machine_list___color_choices=(auto always never)
_shtab_livefw_machine_show___color_choices=(auto always never)
_shtab_livefw_machine_stage___color_choices=(auto always never)
_shtab_livefw_machine_notify___color_choices=(auto always never)
_shtab_livefw_machine_driver_pos_0_choices=(unload load)
_shtab_livefw_machine_driver___color_choices=(auto always never)
_shtab_livefw_machine_reload___color_choices=(auto always never)
_shtab_livefw_machine_fault_pos_0_choices=(auth-error no-memory device-error prime-code activation-failed critical-error rmm-refuses secondary-refuses notify-refused cancel-refused endless-prime endless-activate lost-realms bad-signature vanish-after appear-after reorder-after busy call-again unknown-status one-cpu slow hang reset vanish pending-flips reserved-bits absurd-count inventory-error duplicate-guid garbage-versions garbage-interface preempted-checked preempted-arrived preempted-released agent-gone agent-gone-32 tdx-shutdown tdx-install tdx-entropy tdx-init tdx-init-cpu tdx-restore tdx-loader tdx-lost tdx-td-build bmc-verify-fails bmc-false-staging bmc-refused-but-staged bmc-dropped-but-staged bmc-too-large bmc-false-cancel bmc-monitor-vanishes bmc-monitor-once bmc-monitor-breaks bmc-monitor-unauthorized bmc-monitor-pages bmc-task-deleted bmc-task-deleted-page bmc-no-location bmc-unfollowable bmc-session-expires bmc-locked-out bmc-busy bmc-busy-page bmc-paged bmc-member-page bmc-optional-page bmc-measurement-stays bmc-measurement-replayed bmc-measurement-forged bmc-no-measurements bmc-active-untold bmc-unreachable bmc-staged-aside bmc-inventory-stays nvme-no-event nvme-too-slow nvme-dies nvme-other-version nvme-changes-nothing nvme-damages-slot nvme-read-only nvme-unhealthy nvme-identify-fails nvme-identify-wrong nvme-commit-invalid-opcode nvme-commit-invalid-field nvme-commit-data-transfer-error nvme-commit-internal-error nvme-commit-abort-requested nvme-commit-command-sequence-error nvme-commit-operation-denied nvme-commit-sanitize-in-progress nvme-commit-command-interrupted nvme-commit-media-not-ready nvme-commit-invalid-firmware-slot nvme-commit-invalid-firmware-image nvme-commit-needs-conventional-reset nvme-commit-needs-subsystem-reset nvme-commit-needs-controller-reset nvme-commit-maximum-time-violation nvme-commit-activation-prohibited nvme-commit-overlapping-range nvme-commit-boot-partition-prohibited)
_shtab_livefw_machine_fault___color_choices=(auto always never)
_shtab_livefw_machine_cpu_pos_0_choices=(on off)
_shtab_livefw_machine_cpu___color_choices=(auto always never)
_shtab_livefw_machine_log___color_choices=(auto always never)
_shtab_livefw_machine_trace___color_choices=(auto always never)
_shtab_livefw_machine_eventlog___color_choices=(auto always never)
_shtab_livefw_machine_pos_0_choices=(run bmc platforms list show stage notify driver reload fault cpu log trace eventlog)
_shtab_livefw_machine___color_choices=(auto always never)
_shtab_livefw_tdx_candidates__o_choices=(table wide name json jsonl csv)
_shtab_livefw_tdx_candidates___output_choices=(table wide name json jsonl csv)
_shtab_livefw_tdx_candidates___color_choices=(auto always never)
_shtab_livefw_tdx_pos_0_choices=(candidates)
_shtab_livefw_tdx___color_choices=(auto always never)
_shtab_livefw_fwupdmgr___color_choices=(auto always never)
_shtab_livefw_conformance___agent_choices=(tfa-2.14 tfa-2.15 tfa-2026 bet1)
_shtab_livefw_conformance___color_choices=(auto always never)
_shtab_livefw_demo___platform_choices=(fvp grid tdx-gnr tdx-spr vera)
_shtab_livefw_demo___color_choices=(auto always never)
_shtab_livefw_help_image_store_pos_0_choices=(init show stage discard accept rollback)
_shtab_livefw_help_image_pos_0_choices=(info verify extract replace remove trust build cab capsule metadata store)
_shtab_livefw_help_machine_pos_0_choices=(run bmc platforms list show stage notify driver reload fault cpu log trace eventlog)
_shtab_livefw_help_tdx_pos_0_choices=(candidates)
_shtab_livefw_help_pos_0_choices=(list show plan activate cancel history report watch notify policy stage metrics doctor explain image machine tdx fwupdmgr conformance demo)
_shtab_livefw_pos_0_choices=(list show plan activate cancel history report watch notify policy stage metrics doctor explain image machine tdx fwupdmgr conformance demo help)
_shtab_livefw___color_choices=(auto always never)

_shtab_livefw_list_pos_0_nargs='*'
_shtab_livefw_list__h_nargs=0
_shtab_livefw_list___help_nargs=0
_shtab_livefw_list___pending_nargs=0
_shtab_livefw_list___strict_nargs=0
_shtab_livefw_list___no_headings_nargs=0
_shtab_livefw_list___json_nargs=0
_shtab_livefw_list___debug_nargs=0
_shtab_livefw_show_pos_0_nargs=+
_shtab_livefw_show__h_nargs=0
_shtab_livefw_show___help_nargs=0
_shtab_livefw_show___mechanism_nargs=0
_shtab_livefw_show___ocp_nargs=0
_shtab_livefw_show___all_nargs=0
_shtab_livefw_show___json_nargs=0
_shtab_livefw_show___debug_nargs=0
_shtab_livefw_plan_pos_0_nargs='*'
_shtab_livefw_plan__h_nargs=0
_shtab_livefw_plan___help_nargs=0
_shtab_livefw_plan___strict_nargs=0
_shtab_livefw_plan___no_headings_nargs=0
_shtab_livefw_plan___json_nargs=0
_shtab_livefw_plan___debug_nargs=0
_shtab_livefw_activate_pos_0_nargs='*'
_shtab_livefw_activate__h_nargs=0
_shtab_livefw_activate___help_nargs=0
_shtab_livefw_activate___all_nargs=0
_shtab_livefw_activate__n_nargs=0
_shtab_livefw_activate___dry_run_nargs=0
_shtab_livefw_activate___scheduled_nargs=0
_shtab_livefw_activate__y_nargs=0
_shtab_livefw_activate___yes_nargs=0
_shtab_livefw_activate___strict_nargs=0
_shtab_livefw_activate___rows_nargs=0
_shtab_livefw_activate___no_journal_nargs=0
_shtab_livefw_activate___json_nargs=0
_shtab_livefw_activate___debug_nargs=0
_shtab_livefw_cancel__h_nargs=0
_shtab_livefw_cancel___help_nargs=0
_shtab_livefw_cancel___no_journal_nargs=0
_shtab_livefw_cancel___json_nargs=0
_shtab_livefw_cancel___debug_nargs=0
_shtab_livefw_history__h_nargs=0
_shtab_livefw_history___help_nargs=0
_shtab_livefw_history___pending_nargs=0
_shtab_livefw_history___verify_nargs=0
_shtab_livefw_history___archive_nargs='?'
_shtab_livefw_history___rows_nargs=0
_shtab_livefw_history___no_headings_nargs=0
_shtab_livefw_history___json_nargs=0
_shtab_livefw_history___debug_nargs=0
_shtab_livefw_report_pos_0_nargs='*'
_shtab_livefw_report__h_nargs=0
_shtab_livefw_report___help_nargs=0
_shtab_livefw_report___force_nargs=0
_shtab_livefw_report___json_nargs=0
_shtab_livefw_report___debug_nargs=0
_shtab_livefw_watch__h_nargs=0
_shtab_livefw_watch___help_nargs=0
_shtab_livefw_watch___lines_nargs=0
_shtab_livefw_watch___json_nargs=0
_shtab_livefw_watch___debug_nargs=0
_shtab_livefw_notify__h_nargs=0
_shtab_livefw_notify___help_nargs=0
_shtab_livefw_notify___list_nargs=0
_shtab_livefw_notify___test_nargs='?'
_shtab_livefw_notify___send_nargs=0
_shtab_livefw_notify___json_nargs=0
_shtab_livefw_notify___debug_nargs=0
_shtab_livefw_policy__h_nargs=0
_shtab_livefw_policy___help_nargs=0
_shtab_livefw_policy___all_nargs=0
_shtab_livefw_policy___keys_nargs=0
_shtab_livefw_policy___check_nargs=0
_shtab_livefw_policy___json_nargs=0
_shtab_livefw_policy___debug_nargs=0
_shtab_livefw_stage__h_nargs=0
_shtab_livefw_stage___help_nargs=0
_shtab_livefw_stage___strict_nargs=0
_shtab_livefw_stage___no_journal_nargs=0
_shtab_livefw_stage___json_nargs=0
_shtab_livefw_stage___debug_nargs=0
_shtab_livefw_metrics__h_nargs=0
_shtab_livefw_metrics___help_nargs=0
_shtab_livefw_metrics___json_nargs=0
_shtab_livefw_metrics___debug_nargs=0
_shtab_livefw_doctor_pos_0_nargs='*'
_shtab_livefw_doctor__h_nargs=0
_shtab_livefw_doctor___help_nargs=0
_shtab_livefw_doctor___json_nargs=0
_shtab_livefw_doctor___debug_nargs=0
_shtab_livefw_explain__h_nargs=0
_shtab_livefw_explain___help_nargs=0
_shtab_livefw_explain___json_nargs=0
_shtab_livefw_explain___debug_nargs=0
_shtab_livefw_image_info__h_nargs=0
_shtab_livefw_image_info___help_nargs=0
_shtab_livefw_image_info___hash_nargs=0
_shtab_livefw_image_info___json_nargs=0
_shtab_livefw_image_info___debug_nargs=0
_shtab_livefw_image_verify__h_nargs=0
_shtab_livefw_image_verify___help_nargs=0
_shtab_livefw_image_verify___chain_only_nargs=0
_shtab_livefw_image_verify___json_nargs=0
_shtab_livefw_image_verify___debug_nargs=0
_shtab_livefw_image_extract__h_nargs=0
_shtab_livefw_image_extract___help_nargs=0
_shtab_livefw_image_extract___force_nargs=0
_shtab_livefw_image_extract___json_nargs=0
_shtab_livefw_image_extract___debug_nargs=0
_shtab_livefw_image_replace__h_nargs=0
_shtab_livefw_image_replace___help_nargs=0
_shtab_livefw_image_replace___add_nargs=0
_shtab_livefw_image_replace___json_nargs=0
_shtab_livefw_image_replace___debug_nargs=0
_shtab_livefw_image_remove__h_nargs=0
_shtab_livefw_image_remove___help_nargs=0
_shtab_livefw_image_remove___json_nargs=0
_shtab_livefw_image_remove___debug_nargs=0
_shtab_livefw_image_trust__h_nargs=0
_shtab_livefw_image_trust___help_nargs=0
_shtab_livefw_image_trust___json_nargs=0
_shtab_livefw_image_trust___debug_nargs=0
_shtab_livefw_image_build__h_nargs=0
_shtab_livefw_image_build___help_nargs=0
_shtab_livefw_image_build___json_nargs=0
_shtab_livefw_image_build___debug_nargs=0
_shtab_livefw_image_cab__h_nargs=0
_shtab_livefw_image_cab___help_nargs=0
_shtab_livefw_image_cab___json_nargs=0
_shtab_livefw_image_cab___debug_nargs=0
_shtab_livefw_image_capsule__h_nargs=0
_shtab_livefw_image_capsule___help_nargs=0
_shtab_livefw_image_capsule___accept_nargs=0
_shtab_livefw_image_capsule___revert_nargs=0
_shtab_livefw_image_capsule___plain_nargs=0
_shtab_livefw_image_capsule___json_nargs=0
_shtab_livefw_image_capsule___debug_nargs=0
_shtab_livefw_image_metadata__h_nargs=0
_shtab_livefw_image_metadata___help_nargs=0
_shtab_livefw_image_metadata___efi_nargs=0
_shtab_livefw_image_metadata___json_nargs=0
_shtab_livefw_image_metadata___debug_nargs=0
_shtab_livefw_image_store_init__h_nargs=0
_shtab_livefw_image_store_init___help_nargs=0
_shtab_livefw_image_store_init___json_nargs=0
_shtab_livefw_image_store_init___debug_nargs=0
_shtab_livefw_image_store_show__h_nargs=0
_shtab_livefw_image_store_show___help_nargs=0
_shtab_livefw_image_store_show___json_nargs=0
_shtab_livefw_image_store_show___debug_nargs=0
_shtab_livefw_image_store_stage__h_nargs=0
_shtab_livefw_image_store_stage___help_nargs=0
_shtab_livefw_image_store_stage___json_nargs=0
_shtab_livefw_image_store_stage___debug_nargs=0
_shtab_livefw_image_store_discard__h_nargs=0
_shtab_livefw_image_store_discard___help_nargs=0
_shtab_livefw_image_store_discard___json_nargs=0
_shtab_livefw_image_store_discard___debug_nargs=0
_shtab_livefw_image_store_accept__h_nargs=0
_shtab_livefw_image_store_accept___help_nargs=0
_shtab_livefw_image_store_accept___json_nargs=0
_shtab_livefw_image_store_accept___debug_nargs=0
_shtab_livefw_image_store_rollback__h_nargs=0
_shtab_livefw_image_store_rollback___help_nargs=0
_shtab_livefw_image_store_rollback___json_nargs=0
_shtab_livefw_image_store_rollback___debug_nargs=0
_shtab_livefw_image_store_pos_0_nargs=A...
_shtab_livefw_image_store__h_nargs=0
_shtab_livefw_image_store___help_nargs=0
_shtab_livefw_image_store___json_nargs=0
_shtab_livefw_image_store___debug_nargs=0
_shtab_livefw_image_pos_0_nargs=A...
_shtab_livefw_image__h_nargs=0
_shtab_livefw_image___help_nargs=0
_shtab_livefw_image___json_nargs=0
_shtab_livefw_image___debug_nargs=0
_shtab_livefw_machine_run__h_nargs=0
_shtab_livefw_machine_run___help_nargs=0
_shtab_livefw_machine_run___list_nargs=0
_shtab_livefw_machine_run___bmc_nargs='?'
_shtab_livefw_machine_run___guest_python_nargs='?'
_shtab_livefw_machine_run___el1_nargs=0
_shtab_livefw_machine_run___json_nargs=0
_shtab_livefw_machine_run___debug_nargs=0
_shtab_livefw_machine_bmc__h_nargs=0
_shtab_livefw_machine_bmc___help_nargs=0
_shtab_livefw_machine_bmc___json_nargs=0
_shtab_livefw_machine_bmc___debug_nargs=0
_shtab_livefw_machine_platforms__h_nargs=0
_shtab_livefw_machine_platforms___help_nargs=0
_shtab_livefw_machine_platforms___json_nargs=0
_shtab_livefw_machine_platforms___debug_nargs=0
_shtab_livefw_machine_list__h_nargs=0
_shtab_livefw_machine_list___help_nargs=0
_shtab_livefw_machine_list___no_headings_nargs=0
_shtab_livefw_machine_list___json_nargs=0
_shtab_livefw_machine_list___debug_nargs=0
_shtab_livefw_machine_show__h_nargs=0
_shtab_livefw_machine_show___help_nargs=0
_shtab_livefw_machine_show___json_nargs=0
_shtab_livefw_machine_show___debug_nargs=0
_shtab_livefw_machine_stage__h_nargs=0
_shtab_livefw_machine_stage___help_nargs=0
_shtab_livefw_machine_stage___forged_nargs=0
_shtab_livefw_machine_stage___json_nargs=0
_shtab_livefw_machine_stage___debug_nargs=0
_shtab_livefw_machine_notify__h_nargs=0
_shtab_livefw_machine_notify___help_nargs=0
_shtab_livefw_machine_notify___json_nargs=0
_shtab_livefw_machine_notify___debug_nargs=0
_shtab_livefw_machine_driver__h_nargs=0
_shtab_livefw_machine_driver___help_nargs=0
_shtab_livefw_machine_driver___json_nargs=0
_shtab_livefw_machine_driver___debug_nargs=0
_shtab_livefw_machine_reload__h_nargs=0
_shtab_livefw_machine_reload___help_nargs=0
_shtab_livefw_machine_reload___json_nargs=0
_shtab_livefw_machine_reload___debug_nargs=0
_shtab_livefw_machine_fault__h_nargs=0
_shtab_livefw_machine_fault___help_nargs=0
_shtab_livefw_machine_fault___list_nargs=0
_shtab_livefw_machine_fault___clear_nargs=0
_shtab_livefw_machine_fault___json_nargs=0
_shtab_livefw_machine_fault___debug_nargs=0
_shtab_livefw_machine_cpu__h_nargs=0
_shtab_livefw_machine_cpu___help_nargs=0
_shtab_livefw_machine_cpu___json_nargs=0
_shtab_livefw_machine_cpu___debug_nargs=0
_shtab_livefw_machine_log__h_nargs=0
_shtab_livefw_machine_log___help_nargs=0
_shtab_livefw_machine_log___follow_nargs=0
_shtab_livefw_machine_log___json_nargs=0
_shtab_livefw_machine_log___debug_nargs=0
_shtab_livefw_machine_trace__h_nargs=0
_shtab_livefw_machine_trace___help_nargs=0
_shtab_livefw_machine_trace___follow_nargs=0
_shtab_livefw_machine_trace___json_nargs=0
_shtab_livefw_machine_trace___debug_nargs=0
_shtab_livefw_machine_eventlog__h_nargs=0
_shtab_livefw_machine_eventlog___help_nargs=0
_shtab_livefw_machine_eventlog___json_nargs=0
_shtab_livefw_machine_eventlog___debug_nargs=0
_shtab_livefw_machine_pos_0_nargs=A...
_shtab_livefw_machine__h_nargs=0
_shtab_livefw_machine___help_nargs=0
_shtab_livefw_machine___json_nargs=0
_shtab_livefw_machine___debug_nargs=0
_shtab_livefw_tdx_candidates__h_nargs=0
_shtab_livefw_tdx_candidates___help_nargs=0
_shtab_livefw_tdx_candidates___no_headings_nargs=0
_shtab_livefw_tdx_candidates___json_nargs=0
_shtab_livefw_tdx_candidates___debug_nargs=0
_shtab_livefw_tdx_pos_0_nargs=A...
_shtab_livefw_tdx__h_nargs=0
_shtab_livefw_tdx___help_nargs=0
_shtab_livefw_tdx___json_nargs=0
_shtab_livefw_tdx___debug_nargs=0
_shtab_livefw_fwupdmgr_pos_0_nargs=...
_shtab_livefw_fwupdmgr__h_nargs=0
_shtab_livefw_fwupdmgr___help_nargs=0
_shtab_livefw_fwupdmgr___json_nargs=0
_shtab_livefw_fwupdmgr___debug_nargs=0
_shtab_livefw_conformance__h_nargs=0
_shtab_livefw_conformance___help_nargs=0
_shtab_livefw_conformance___qemu_nargs='?'
_shtab_livefw_conformance___dangerous_nargs=0
_shtab_livefw_conformance___json_nargs=0
_shtab_livefw_conformance___debug_nargs=0
_shtab_livefw_demo__h_nargs=0
_shtab_livefw_demo___help_nargs=0
_shtab_livefw_demo___web_nargs=0
_shtab_livefw_demo___json_nargs=0
_shtab_livefw_demo___debug_nargs=0
_shtab_livefw_help_image_store_pos_0_nargs=A...
_shtab_livefw_help_image_pos_0_nargs=A...
_shtab_livefw_help_machine_pos_0_nargs=A...
_shtab_livefw_help_tdx_pos_0_nargs=A...
_shtab_livefw_help_pos_0_nargs=A...
_shtab_livefw_pos_0_nargs=A...
_shtab_livefw__h_nargs=0
_shtab_livefw___help_nargs=0
_shtab_livefw__V_nargs=0
_shtab_livefw___version_nargs=0
_shtab_livefw___json_nargs=0
_shtab_livefw___debug_nargs=0


# Custom Preamble

_livefw_components() {
  local found line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  found=$(command "${COMP_WORDS[0]/#\~/$HOME}" _complete components "${line[@]}" 2>/dev/null)
  compgen -W "$found" -- "${1,,}"
}


_livefw_bmcs() {
  local found line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  found=$(command "${COMP_WORDS[0]/#\~/$HOME}" _complete bmcs "${line[@]}" 2>/dev/null)
  compgen -W "$found" -- "${1,,}"
}


_livefw_pending() {
  local found line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  found=$(command "${COMP_WORDS[0]/#\~/$HOME}" _complete pending "${line[@]}" 2>/dev/null)
  compgen -W "$found" -- "${1,,}"
}


_livefw_activations() {
  local found line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  found=$(command "${COMP_WORDS[0]/#\~/$HOME}" _complete activations "${line[@]}" 2>/dev/null)
  compgen -W "$found" -- "${1,,}"
}


# $1=COMP_WORDS[1]
_shtab_glob_compgen_76dad7fd() {
  for ext in '*.cab'; do
    compgen -f -X "!$ext" -- $1
  done
  compgen -d -- $1  # recurse into subdirs
}


_livefw_platform_or_file() {
  compgen -W "fvp grid tdx-gnr tdx-spr vera" -- "$1"
  compgen -f -X '!*.toml' -- "$1"
  compgen -d -S / -- "$1"
}


_livefw_machines() {
  local found line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  found=$(command "${COMP_WORDS[0]/#\~/$HOME}" _complete machines "${line[@]}" 2>/dev/null)
  compgen -W "$found" -- "${1,,}"
}


_livefw_parts() {
  local found line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  found=$(command "${COMP_WORDS[0]/#\~/$HOME}" _complete parts "${line[@]}" 2>/dev/null)
  compgen -W "$found" -- "${1,,}"
}

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_livefw() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_livefw
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_livefw livefw
