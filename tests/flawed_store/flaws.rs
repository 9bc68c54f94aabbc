flaws! {
    a_store_that_answers_absent_as_default: AnswersAbsentAsDefault breaks [
        what_was_never_written_is_absent,
        a_load_answers_in_the_order_of_its_keys,
        a_key_asked_twice_is_answered_twice,
        records_of_different_kinds_never_alias,
        records_of_different_namespaces_never_alias,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        what_is_absent_has_no_version,
        a_failed_expectation_writes_nothing,
        a_large_batch_is_applied_whole_or_not_at_all,
        a_batch_deletes_and_puts_together,
        deleting_what_is_absent_is_no_error,
        a_purge_takes_only_what_is_strictly_before_its_time,
        a_purge_stops_at_its_limit_and_tells_its_count,
        the_last_write_says_how_long_a_record_is_retained,
        of_two_commits_that_rely_on_each_others_records_one_wins,
    ];
    a_store_that_sorts_loads: SortsLoads breaks [a_load_answers_in_the_order_of_its_keys];
    a_store_that_drops_repeated_keys: DropsRepeatedKeys breaks [a_key_asked_twice_is_answered_twice];
    a_store_that_invents_versions: InventsVersions breaks [
        a_load_answers_in_the_order_of_its_keys,
        a_key_asked_twice_is_answered_twice,
        a_version_is_the_id_of_the_batch_that_wrote_last,
        records_of_different_kinds_never_alias,
        records_of_different_namespaces_never_alias,
        a_version_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        a_version_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        a_failed_expectation_writes_nothing,
        a_batch_deletes_and_puts_together,
        a_load_never_judges_validity,
        extreme_ids_and_times_are_kept,
        of_many_commits_on_one_version_exactly_one_wins,
        of_many_creations_of_one_record_exactly_one_wins,
        of_many_commits_that_only_read_the_same_version_all_win,
        of_two_commits_that_rely_on_each_others_records_one_wins,
        a_read_after_an_acknowledgement_sees_the_commit,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_ignores_kinds: IgnoresKinds breaks [
        a_load_answers_in_the_order_of_its_keys,
        records_of_different_kinds_never_alias,
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
    ];
    a_store_that_ignores_namespaces: IgnoresNamespaces breaks [
        records_of_different_namespaces_never_alias,
        terms_of_different_namespaces_never_alias,
        extreme_ids_and_times_are_kept,
    ];
    a_store_that_truncates_ids: TruncatesIds breaks [extreme_ids_and_times_are_kept];
    a_store_that_refuses_empty_batches: RefusesEmptyBatches breaks [
        an_empty_batch_succeeds,
        a_batch_of_expectations_alone_holds_or_conflicts,
    ];
    a_store_that_checks_nothing_where_it_writes_nothing: ChecksNothingWhereItWritesNothing breaks [
        a_batch_of_expectations_alone_holds_or_conflicts,
    ];
    a_store_that_ignores_expectations_of_reads: IgnoresExpectationsOfReads breaks [
        absence_can_be_expected_of_a_key_that_is_only_read,
        a_version_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        of_two_commits_that_rely_on_each_others_records_one_wins,
    ];
    a_store_that_ignores_absence: IgnoresAbsence breaks [
        absence_can_be_expected_of_a_key_that_is_written,
        absence_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        a_failed_expectation_writes_nothing,
        a_failed_expectation_deletes_nothing,
        a_failed_expectation_leaves_the_index_alone,
        of_many_creations_of_one_record_exactly_one_wins,
        of_two_commits_that_rely_on_each_others_records_one_wins,
    ];
    a_store_that_ignores_versions: IgnoresVersions breaks [
        a_version_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        a_version_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        a_large_batch_is_applied_whole_or_not_at_all,
        a_replaced_version_never_matches_again,
        a_purged_version_never_matches_again,
        of_many_commits_on_one_version_exactly_one_wins,
        of_two_commits_that_rely_on_each_others_records_one_wins,
        no_increment_is_lost,
    ];
    a_store_that_compares_contents: ComparesContents breaks [a_replaced_version_never_matches_again];
    a_store_that_takes_absent_for_any_version: TakesAbsentForAnyVersion breaks [
        a_batch_of_expectations_alone_holds_or_conflicts,
        what_is_absent_has_no_version,
        a_replaced_version_never_matches_again,
        a_purged_version_never_matches_again,
    ];
    a_store_that_writes_in_spite_of_conflict: WritesInSpiteOfConflict breaks [
        what_is_absent_has_no_version,
        a_failed_expectation_writes_nothing,
        a_failed_expectation_leaves_the_index_alone,
        a_purged_version_never_matches_again,
        of_many_commits_on_one_version_exactly_one_wins,
        of_many_creations_of_one_record_exactly_one_wins,
        of_two_commits_that_rely_on_each_others_records_one_wins,
        no_increment_is_lost,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_deletes_in_spite_of_conflict: DeletesInSpiteOfConflict breaks [
        a_version_can_be_expected_of_a_key_that_is_deleted,
        a_failed_expectation_deletes_nothing,
        a_large_batch_is_applied_whole_or_not_at_all,
    ];
    a_store_that_indexes_in_spite_of_conflict: IndexesInSpiteOfConflict breaks [
        a_failed_expectation_leaves_the_index_alone,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_says_ok_for_conflict: SaysOkForConflict breaks [
        absence_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        absence_can_be_expected_of_a_key_that_is_only_read,
        a_version_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        what_is_absent_has_no_version,
        a_failed_expectation_writes_nothing,
        a_failed_expectation_deletes_nothing,
        a_failed_expectation_leaves_the_index_alone,
        a_large_batch_is_applied_whole_or_not_at_all,
        a_replaced_version_never_matches_again,
        a_purged_version_never_matches_again,
        of_many_commits_on_one_version_exactly_one_wins,
        of_many_creations_of_one_record_exactly_one_wins,
        no_increment_is_lost,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_says_unavailable_for_conflict: SaysUnavailableForConflict breaks [
        absence_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        absence_can_be_expected_of_a_key_that_is_only_read,
        a_version_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        what_is_absent_has_no_version,
        a_failed_expectation_writes_nothing,
        a_failed_expectation_deletes_nothing,
        a_failed_expectation_leaves_the_index_alone,
        a_large_batch_is_applied_whole_or_not_at_all,
        a_replaced_version_never_matches_again,
        a_purged_version_never_matches_again,
        of_many_commits_on_one_version_exactly_one_wins,
        of_many_creations_of_one_record_exactly_one_wins,
        of_two_commits_that_rely_on_each_others_records_one_wins,
        no_increment_is_lost,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_caps_batches: CapsBatches breaks [a_large_batch_is_applied_whole_or_not_at_all];
    a_store_that_deletes_only_alone: DeletesOnlyAlone breaks [a_batch_deletes_and_puts_together];
    a_store_that_refuses_to_delete_the_absent: RefusesToDeleteTheAbsent breaks [
        deleting_what_is_absent_is_no_error,
        a_key_that_stays_is_listed_while_others_come_and_go,
    ];
    a_store_that_buries_the_deleted: BuriesTheDeleted breaks [
        deleting_what_is_absent_is_no_error,
        a_deleted_record_can_be_created_again,
        a_replaced_version_never_matches_again,
        a_key_that_stays_is_listed_while_others_come_and_go,
        a_purged_version_never_matches_again,
    ];
    a_store_that_deletes_nothing: DeletesNothing breaks [
        records_of_different_namespaces_never_alias,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        a_large_batch_is_applied_whole_or_not_at_all,
        a_batch_deletes_and_puts_together,
        deleting_what_is_absent_is_no_error,
        a_deleted_record_can_be_created_again,
        a_deleted_record_is_not_listed,
    ];
    a_store_that_lists_the_first_term_only: ListsTheFirstTermOnly breaks [
        a_record_is_listed_under_each_of_its_terms,
        new_terms_replace_the_earlier_ones,
    ];
    a_store_that_keeps_earlier_terms: KeepsEarlierTerms breaks [new_terms_replace_the_earlier_ones];
    a_store_that_lists_the_deleted: ListsTheDeleted breaks [a_deleted_record_is_not_listed];
    a_store_that_ignores_term_kinds: IgnoresTermKinds breaks [terms_of_different_kinds_never_alias];
    a_store_that_ignores_term_namespaces: IgnoresTermNamespaces breaks [terms_of_different_namespaces_never_alias];
    a_store_that_skips_a_key_between_pages: SkipsAKeyBetweenPages breaks [
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
        a_key_that_stays_is_listed_while_others_come_and_go,
    ];
    a_store_that_repeats_a_key_between_pages: RepeatsAKeyBetweenPages breaks [
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
        a_key_that_stays_is_listed_while_others_come_and_go,
    ];
    a_store_that_answers_next_when_done: AnswersNextWhenDone breaks [pages_follow_one_another_whatever_their_limit];
    a_store_that_lists_descending: ListsDescending breaks [
        a_failed_expectation_leaves_the_index_alone,
        a_deleted_record_is_not_listed,
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_counts_pages_by_offset: CountsPagesByOffset breaks [
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
        a_key_that_stays_is_listed_while_others_come_and_go,
    ];
    a_store_that_judges_validity: JudgesValidity breaks [
        a_load_never_judges_validity,
        a_purge_takes_only_what_is_strictly_before_its_time,
        a_purge_stops_at_its_limit_and_tells_its_count,
        the_last_write_says_how_long_a_record_is_retained,
    ];
    a_store_that_purges_one_too_early: PurgesOneTooEarly breaks [a_purge_takes_only_what_is_strictly_before_its_time];
    a_store_that_purges_one_too_late: PurgesOneTooLate breaks [a_purge_takes_only_what_is_strictly_before_its_time];
    a_store_that_purges_without_limit: PurgesWithoutLimit breaks [a_purge_stops_at_its_limit_and_tells_its_count];
    a_store_that_miscounts_purges: MiscountsPurges breaks [
        a_purge_stops_at_its_limit_and_tells_its_count,
        the_last_write_says_how_long_a_record_is_retained,
        extreme_ids_and_times_are_kept,
    ];
    a_store_that_lists_the_purged: ListsThePurged breaks [a_purged_record_is_not_listed];
    a_store_that_remembers_purged_versions: RemembersPurgedVersions breaks [a_purged_version_never_matches_again];
    a_store_that_keeps_the_first_retention: KeepsTheFirstRetention breaks [the_last_write_says_how_long_a_record_is_retained];
    a_store_that_cuts_times_to_32bits: CutsTimesTo32Bits breaks [extreme_ids_and_times_are_kept];
    a_store_that_loses_large_values: LosesLargeValues breaks [large_values_are_read_as_they_were_written];
    a_store_that_folds_text: FoldsText breaks [unusual_text_is_read_as_it_was_written];
    a_store_that_forgets_a_field: ForgetsAField breaks [every_kind_of_record_is_read_as_it_was_written];
    a_store_that_checks_then_acts: ChecksThenActs breaks [
        of_many_commits_on_one_version_exactly_one_wins,
        of_many_creations_of_one_record_exactly_one_wins,
        of_two_commits_that_rely_on_each_others_records_one_wins,
        no_increment_is_lost,
    ];
    a_store_that_locks_what_is_read: LocksWhatIsRead breaks [of_many_commits_that_only_read_the_same_version_all_win];
    a_store_that_loads_one_by_one: LoadsOneByOne breaks [a_reader_sees_all_of_a_commit_or_nothing];
    a_store_that_writes_one_by_one: WritesOneByOne breaks [a_reader_sees_all_of_a_commit_or_nothing];
    a_store_that_indexes_late: IndexesLate breaks [
        a_failed_expectation_leaves_the_index_alone,
        a_record_is_listed_under_each_of_its_terms,
        new_terms_replace_the_earlier_ones,
        a_deleted_record_is_not_listed,
        terms_of_different_kinds_never_alias,
        terms_of_different_namespaces_never_alias,
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
        a_key_that_stays_is_listed_while_others_come_and_go,
        a_load_never_judges_validity,
        a_purged_record_is_not_listed,
        a_read_after_an_acknowledgement_sees_the_commit,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_stops_where_it_is_dropped: StopsWhereItIsDropped breaks [
        a_reader_sees_all_of_a_commit_or_nothing,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    ];
    a_store_that_loses_all_when_closed: LosesAllWhenClosed breaks [
        what_was_acknowledged_is_there_after_reopening,
        terms_and_retention_are_there_after_reopening,
    ];
    a_store_that_keeps_handles_apart: KeepsHandlesApart breaks [each_of_two_handles_sees_what_the_other_committed];
    a_store_that_checks_each_handle_alone: ChecksEachHandleAlone breaks [of_two_handles_on_one_version_exactly_one_wins];
    a_store_that_expects_nothing_at_once: ExpectsNothingAtOnce breaks [a_store_that_never_waits_answers_alike_both_ways];
    a_store_that_locks_only_what_is_written: LocksOnlyWhatIsWritten breaks [
        of_two_commits_that_rely_on_each_others_records_one_wins,
    ];
    a_store_that_stays_gone: StaysGone breaks [a_store_goes_on_once_its_server_is_back];
    a_store_that_forgets_what_was_interrupted: ForgetsWhatWasInterrupted breaks [a_store_goes_on_once_its_server_is_back];
}
